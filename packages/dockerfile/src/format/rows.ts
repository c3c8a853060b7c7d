import type { EscapeCharacter } from "../ast.ts";
import { leadingSpace } from "../space.ts";

/** Blanks in front of the second and later lines of an instruction. */
export const INDENT = "    ";

/** A line of a formatted instruction. */
export interface Row {
  readonly text: string;
  /** Comment lines that stand above it. */
  readonly comments: readonly string[];
  /** The text stays to the last blank, because it is handed to a shell: no blank before the continuation mark. */
  readonly exact?: boolean;
}

/** The rows as text with continuation marks; comments take the indentation of their row. Ends with a line feed. */
export function renderRows(rows: readonly Row[], after: readonly string[], mark: EscapeCharacter): string {
  let out = "";
  for (const [index, row] of rows.entries()) {
    const indent = row.text.slice(0, leadingSpace(row.text));
    for (const comment of row.comments) out += `${indent}${comment}\n`;
    const isLast = index === rows.length - 1;
    out += isLast ? `${row.text}\n` : `${row.text}${row.exact === true ? "" : " "}${mark}\n`;
  }
  return out + after.map((comment) => `${comment}\n`).join("");
}
