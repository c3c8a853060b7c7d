import type { LineRange, SourceLocation } from "@tsbuild/base";

/** Lines shown before and after those in question. */
const PADDING = 2;
/** Lines in question that are shown of a long instruction; the middle is left out. */
const MAX_LINES = 20;
/** Characters of a line that are shown; a Dockerfile may be one line of megabytes. */
const MAX_COLUMNS = 200;

interface Row {
  readonly line: number;
  readonly marked: boolean;
}

/**
 * The lines around a problem, those in question marked with `>>>`, and a caret under the column when it is known:
 *
 *     Dockerfile:2:5
 *      1 |     FROM scratch
 *      2 | >>> RUM make
 *        |     ^
 *
 * Empty when the location has no text or no lines (FEATURES D022). No line feed at the end.
 */
export function formatSourceWindow(location: SourceLocation): string {
  const first = location.ranges[0];
  if (location.text === undefined || first === undefined) return "";
  const text = location.text.split(/\r?\n/);
  const rows = selectRows(location.ranges, text.length);
  if (rows.length === 0) return "";
  const width = String(rows.at(-1)!.line).length;
  const { column } = location;
  const place = location.line ?? first.start;
  const out = [`${location.file}:${place}${column === undefined ? "" : `:${column}`}`];
  let previous = rows[0]!.line - 1;
  for (const { line, marked } of rows) {
    if (line !== previous + 1) out.push(` ${" ".repeat(width)} |     …`);
    previous = line;
    const shown = shorten(text[line - 1]!);
    out.push(` ${String(line).padStart(width)} | ${marked ? ">>>" : "   "} ${shown}`.trimEnd());
    const hasCaret = line === place && column !== undefined && column <= MAX_COLUMNS;
    if (hasCaret) out.push(` ${" ".repeat(width)} |     ${indentOf(shown, column)}^`);
  }
  return out.join("\n");
}

/** Line numbers in order: each range with its surroundings, long ranges without their middle. */
function selectRows(ranges: readonly LineRange[], lineCount: number): Row[] {
  const marked = new Map<number, boolean>();
  for (const { start, end } of ranges) {
    const last = Math.min(end, lineCount);
    for (let line = Math.max(1, start - PADDING); line <= Math.min(lineCount, last + PADDING); line++) {
      if (line === start + MAX_LINES - 1 && last - start >= MAX_LINES) line = last;
      marked.set(line, marked.get(line) === true || (line >= start && line <= end));
    }
  }
  return [...marked].map(([line, isMarked]) => ({ line, marked: isMarked })).sort((a, b) => a.line - b.line);
}

function shorten(line: string): string {
  return line.length > MAX_COLUMNS ? `${line.slice(0, MAX_COLUMNS)}…` : line;
}

/** Blanks up to the column; tabs stay, so that the caret stands right whatever their width. */
function indentOf(line: string, column: number): string {
  return line.slice(0, column - 1).replaceAll(/[^\t]/g, " ");
}
