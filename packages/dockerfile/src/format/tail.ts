import { trimSpace } from "../space.ts";
import type { Cursor, Start } from "./head.ts";
import { INDENT, type Row } from "./rows.ts";
import type { SourceLine } from "./source-lines.ts";

/** Rows of a whole instruction, and the comments that followed its last line. */
export interface Formatted {
  readonly rows: readonly Row[];
  readonly after: readonly string[];
}

/** Adds the rest of a line to the last row when that is of the same line (and takes it), else begins a new row. */
function begin(head: Cursor, start: Start, lines: readonly SourceLine[], text: string, exact: boolean): Row {
  const line = lines[head.next]!;
  const isOnRow = line.text.slice(0, start.column - 1).trim() !== "";
  const row = isOnRow ? head.rows.pop() : undefined;
  if (row === undefined) return { text: INDENT + text, comments: head.comments, exact };
  return { text: `${row.text} ${text}`, comments: row.comments, exact };
}

/**
 * Text for a shell, or of which blanks count for another reason: from `start` on everything stays, but blank lines
 * (which are dropped in joining) and blanks at the very end. Comments are indented as the line below them.
 */
export function formatRaw(head: Cursor, start: Start, lines: readonly SourceLine[]): Formatted {
  let last = lines.length - 1;
  while (last > head.next && (lines[last]!.kind !== "text" || trimSpace(lines[last]!.text) === "")) last--;
  const ended = (line: SourceLine, text: string): string => (line === lines[last] ? trimEnd(text) : text);
  const first = lines[head.next]!;
  const opening = begin(head, start, lines, ended(first, first.text.slice(start.column - 1)), true);
  const rows = [...head.rows, opening];
  let comments: string[] = [];
  for (const line of lines.slice(head.next + 1, last + 1)) {
    if (line.kind === "comment") comments.push(line.text);
    if (line.kind !== "text") continue;
    rows.push({ text: ended(line, line.text), comments, exact: true });
    comments = [];
  }
  return { rows, after: commentsOf(lines.slice(last + 1)) };
}

function trimEnd(text: string): string {
  return trimSpace(`|${text}`).slice(1);
}

function commentsOf(lines: readonly SourceLine[]): string[] {
  return lines.filter((line) => line.kind === "comment").map((line) => line.text);
}

const JSON_TOKEN = /[\t\r ]*([[\],]|"(?:[^"\\]|\\.)*")[\t\r ]*/y;

/** `["a", "b"]`: one blank after commas. Undefined when a string goes on over the end of the line. */
function formatJsonLine(text: string): string | undefined {
  let out = "";
  JSON_TOKEN.lastIndex = 0;
  while (JSON_TOKEN.lastIndex < text.length) {
    const token = JSON_TOKEN.exec(text)?.[1];
    if (token === undefined) return undefined;
    out += token === "," ? ", " : token;
  }
  return out.trimEnd();
}

/** An array in JSON form from its bracket at `start`; lines stay lines. */
export function formatJson(head: Cursor, start: Start, lines: readonly SourceLine[]): Formatted | undefined {
  const first = formatJsonLine(lines[head.next]!.text.slice(start.column - 1));
  if (first === undefined) return undefined;
  const opening = begin(head, start, lines, first, false);
  const rows: Row[] = [...head.rows, opening];
  let comments: string[] = [];
  for (const line of lines.slice(head.next + 1)) {
    if (line.kind === "comment") comments.push(line.text);
    if (line.kind !== "text" || trimSpace(line.text) === "") continue;
    const text = formatJsonLine(line.text);
    if (text === undefined) return undefined;
    rows.push({ text: text.startsWith("]") ? text : INDENT + text, comments });
    comments = [];
  }
  return { rows, after: comments };
}
