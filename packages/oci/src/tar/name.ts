import { isUtf8 } from "node:buffer";

const ESCAPED = /[\u{dc80}-\u{dcff}]/u;

/**
 * Bytes of a name. Lone surrogates U+DC80…U+DCFF stand for the single bytes 80…FF ("surrogateescape"), as native-fs makes
 * them of names that are not UTF-8.
 */
export function nameBytes(name: string): Buffer {
  if (!ESCAPED.test(name)) return Buffer.from(name);
  const parts: Buffer[] = [];
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0;
    const lone = code >= 0xdc80 && code <= 0xdcff;
    parts.push(lone ? Buffer.of(code - 0xdc00) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}

/** Length of the UTF-8 sequence at `at`, or 0 when the bytes there are none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  return length > 0 && at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** The inverse of `nameBytes`. */
export function bytesName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let name = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    name +=
      length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString("utf8", at, at + length);
    at += Math.max(length, 1);
  }
  return name;
}
