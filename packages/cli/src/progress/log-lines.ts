/** A line without an end is cut here, so that a program that never ends one cannot fill the memory. */
const MAX_LINE_BYTES = 16 * 1024;
const NEWLINE = 0x0a;

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export interface SplitLog {
  /** Complete lines, decoded; invalid UTF-8 is U+FFFD. */
  readonly lines: readonly string[];
  /** Bytes after the last line break, to be put before the next chunk. */
  readonly rest: Uint8Array;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Splits a chunk of a step's output into lines. Cutting bytes at line breaks never cuts a UTF-8 character, so
 * only whole lines are decoded.
 */
export function splitLog(before: Uint8Array, data: Uint8Array): SplitLog {
  const bytes = before.length === 0 ? data : Buffer.concat([before, data]);
  const lines: string[] = [];
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    while (end - start > MAX_LINE_BYTES) {
      const cut = characterStart(bytes, start + MAX_LINE_BYTES);
      lines.push(lineText(bytes.subarray(start, cut)));
      start = cut;
    }
    if (newline < 0) break;
    lines.push(lineText(bytes.subarray(start, end)));
    start = newline + 1;
  }
  // A copy: the producer may use its buffer again.
  return { lines, rest: start === bytes.length ? NO_BYTES : Uint8Array.from(bytes.subarray(start)) };
}

/** The nearest start of a UTF-8 character at or before `index` (continuation bytes are 10xxxxxx). */
function characterStart(bytes: Uint8Array, index: number): number {
  for (let at = index; at > index - 4; at--) if ((bytes[at]! & 0xc0) !== 0x80) return at;
  return index;
}

/**
 * A line as it looks when a program has rewritten it with carriage returns: what stands after the last one that
 * something follows. Progress bars leave only their last state.
 */
export function lineText(bytes: Uint8Array): string {
  const text = decoder.decode(bytes).replace(/\r+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1);
}

/** What a line without an end shows so far; a character whose last bytes are missing is left out. */
export function partialText(rest: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(rest, { stream: true })
    .replace(/\r+$/, "");
  return text.slice(text.lastIndexOf("\r") + 1);
}
