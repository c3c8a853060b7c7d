import { isUtf8 } from "node:buffer";

/**
 * File names are bytes; JavaScript has text. Bytes that are not UTF-8 travel as the lone surrogates U+DC80…U+DCFF, one per
 * byte (Python's "surrogateescape", PEP 383), so every name survives the way to JavaScript and back. Most names are well-formed and
 * take the fast way.
 */
const ESCAPE = 0xdc00;

/** The text of a name. */
export function decodeName(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString("utf8") : decodeEscaped(bytes);
}

/** Bytes of the well-formed sequence at `at`, or 0 (RFC 3629, section 4). */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

function decodeEscaped(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    text += length === 0 ? String.fromCharCode(ESCAPE + bytes[at]!) : bytes.toString("utf8", at, at + length);
    at += length || 1;
  }
  return text;
}

/** The bytes of a name. Throws EINVAL for text that no bytes decode to. */
export function encodeName(text: string): Buffer {
  return text.isWellFormed() ? Buffer.from(text, "utf8") : encodeEscaped(text);
}

/** What the addon takes for a path: text as it is, or bytes where text would be damaged. */
export function nameArgument(text: string): string | Buffer {
  return text.isWellFormed() ? text : encodeEscaped(text);
}

function encodeEscaped(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0xd800 || code > 0xdfff) parts.push(Buffer.from(character, "utf8"));
    else if (code >= 0xdc80 && code <= 0xdcff) parts.push(Buffer.of(code - ESCAPE));
    else throw invalidName(text);
  }
  return Buffer.concat(parts);
}

function invalidName(text: string): Error {
  const message = `EINVAL: ${JSON.stringify(text)} holds a surrogate that stands for no byte`;
  return Object.assign(new Error(message), { code: "EINVAL", errno: -22, syscall: "encodeName", path: text });
}

/** Many paths as one block, each ended by NUL. A path that holds a NUL is refused by the addon, which counts them. */
export function encodePaths(paths: readonly string[]): Buffer {
  return paths.length === 0 ? Buffer.alloc(0) : encodeName(`${paths.join("\0")}\0`);
}

/** The reverse of `encodePaths`. */
export function decodeNames(block: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(0, at);
    names.push(decodeName(block.subarray(at, end)));
    at = end + 1;
  }
  return names;
}
