import { TsbuildError } from "@tsbuild/base";
import { BLOCK } from "./header.ts";

/** A header block as it stands there; texts are Latin-1, which keeps every byte, and numbers may be NaN. */
export interface RawHeader {
  readonly typeflag: string;
  readonly name: string;
  readonly linkname: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly devmajor: number;
  readonly devminor: number;
}

export function badArchive(what: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive is damaged: ${what}`);
}

const SPACE = 0x20;
const NAME_BYTES = 100;
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;
const MAGIC_AT = 257;
const PREFIX_AT = 345;
const PREFIX_BYTES = 155;

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

/** GNU's form for what octal digits cannot say: marked by the first bit, big endian; negative as two's complement. */
function binaryNumber(field: Buffer): number {
  const negative = field[0] === 0xff;
  if (!negative && field[0] !== 0x80) return Number.NaN;
  let magnitude = 0;
  for (const byte of field.subarray(1)) magnitude = magnitude * 256 + (negative ? 0xff - byte : byte);
  return negative ? -magnitude : magnitude;
}

/** Octal digits, behind spaces or zero bytes, up to a space or whatever is no digit; nothing is 0. */
function number(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) return binaryNumber(block.subarray(at, at + length));
  const limit = at + length;
  let start = at;
  while (start < limit && block[start] === SPACE) start += 1;
  const space = block.indexOf(SPACE, start);
  const end = space < 0 || space > limit ? limit : space;
  while (start < end && block[start] === 0) start += 1;
  let value = 0;
  let digits = 0;
  for (; start + digits < end; digits++) {
    const digit = (block[start + digits] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return start < end && digits === 0 ? Number.NaN : value;
}

/** Of all bytes, those of the checksum itself as spaces. */
function checksum(block: Buffer): number {
  let sum = CHECKSUM_BYTES * SPACE;
  for (let at = 0; at < CHECKSUM_AT; at++) sum += block[at] ?? 0;
  for (let at = CHECKSUM_AT + CHECKSUM_BYTES; at < BLOCK; at++) sum += block[at] ?? 0;
  return sum;
}

/** The name, with the prefix that POSIX's form has room for (GNU's has other things there). */
function nameOf(block: Buffer): string {
  const name = text(block, 0, NAME_BYTES);
  if (block[PREFIX_AT] === 0 || block.toString("latin1", MAGIC_AT, MAGIC_AT + 6) !== "ustar\0") return name;
  return `${text(block, PREFIX_AT, PREFIX_BYTES)}/${name}`;
}

/**
 * Reads a header block of v7, ustar or GNU's form; undefined for one of zeros, which an archive ends with. Throws TSB_INTEGRITY when its
 * checksum is wrong.
 */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  const sum = checksum(block);
  if (sum === CHECKSUM_BYTES * SPACE) return undefined;
  if (sum !== number(block, CHECKSUM_AT, CHECKSUM_BYTES))
    throw badArchive("a member's header is not a tar header");
  return {
    typeflag: String.fromCharCode(block[156] ?? 0),
    name: nameOf(block),
    linkname: text(block, 157, NAME_BYTES),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtimeSeconds: number(block, 136, 12),
    devmajor: number(block, 329, 8),
    devminor: number(block, 337, 8),
  };
}
