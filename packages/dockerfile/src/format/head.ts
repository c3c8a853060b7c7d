import { trimSpace } from "../space.ts";
import { INDENT, type Row } from "./rows.ts";
import type { SourceLine } from "./source-lines.ts";

/** Where a word begins: line, and column from 1. */
export interface Start {
  readonly line: number;
  readonly column: number;
}

/** A position in an instruction's lines: what is in front of it has been formatted. */
export interface Cursor {
  readonly rows: Row[];
  /** Comments since the last row. */
  readonly comments: string[];
  /** Index of the next line to look at. */
  readonly next: number;
}

/**
 * Formats the words that begin at `starts` and end where the next one, or `end`, begins: one blank between words
 * of a line, an indented row for words of a further line. Undefined when a word goes on over the end of a line, as
 * then the lines cannot be told apart from the words.
 */
export function formatWords(
  lines: readonly SourceLine[],
  starts: readonly Start[],
  end: Start | undefined,
  rewrite: (word: string, index: number) => string,
): Cursor | undefined {
  const rows: Row[] = [];
  let comments: string[] = [];
  let word = 0;
  let index = 0;
  for (; index < lines.length && (end === undefined || lines[index]!.number <= end.line); index++) {
    const line = lines[index]!;
    if (line.kind === "comment") comments.push(line.text);
    if (line.kind !== "text") continue;
    const words: string[] = [];
    let from = 0;
    const stop = end?.line === line.number ? end.column - 1 : line.text.length;
    for (; starts[word]?.line === line.number; word++) {
      const start = starts[word]!.column - 1;
      if (words.length === 0 && trimSpace(line.text.slice(0, start)) !== "") return undefined;
      const following = starts[word + 1];
      from = following?.line === line.number ? following.column - 1 : stop;
      words.push(rewrite(trimSpace(line.text.slice(start, from)), word));
    }
    // Text of the line that no word here begins in: the rest of one, or blanks.
    if (words.length === 0 && trimSpace(line.text.slice(0, stop)) !== "") return undefined;
    if (words.length === 0) continue;
    rows.push({ text: (rows.length === 0 ? "" : INDENT) + words.join(" "), comments });
    comments = [];
  }
  return word === starts.length ? { rows, comments, next: end === undefined ? index : index - 1 } : undefined;
}
