import type { LineRange } from "@tsbuild/base";
import type { DockerfileAst } from "./ast.ts";

/** New text for some lines of a file. */
export interface LineEdit {
  /** Lines to replace; with an `end` one below `start`, nothing is replaced and the text is put in front. */
  readonly range: LineRange;
  /** Whole lines; a line feed at the end is added when it is missing. Empty: the lines go away. */
  readonly text: string;
}

const LINE_FEED = 10;

/**
 * The file as it was parsed, byte by byte, also where it is no valid UTF-8. With `edits`, whose ranges must not
 * overlap, all other lines stay as they are.
 */
export function print(ast: DockerfileAst, edits: readonly LineEdit[] = []): Uint8Array {
  const bytes = typeof ast.original === "string" ? new TextEncoder().encode(ast.original) : ast.original;
  return edits.length === 0 ? bytes : splice(bytes, edits);
}

function splice(bytes: Uint8Array, edits: readonly LineEdit[]): Uint8Array {
  const starts = lineStarts(bytes);
  const startOf = (line: number): number => starts[line - 1] ?? bytes.length;
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const { range, text } of edits.toSorted((a, b) => a.range.start - b.range.start)) {
    const start = startOf(range.start);
    if (start < offset) throw new RangeError(`edits overlap in line ${range.start}`);
    pieces.push(bytes.subarray(offset, start));
    pieces.push(new TextEncoder().encode(text === "" || text.endsWith("\n") ? text : `${text}\n`));
    offset = startOf(range.end + 1);
  }
  return concat([...pieces, bytes.subarray(offset)]);
}

function lineStarts(bytes: Uint8Array): number[] {
  const starts = [0];
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1))
    starts.push(at + 1);
  return starts;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
