import { limits, TsbuildError } from "@tsbuild/base";
import { encodeName } from "@tsbuild/native-fs";

/** Records of a PAX extended header (POSIX.1-2001 pax, "pax Extended Header"); values are bytes: xattrs need not be text. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const BLOCK = 512;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const SPACE = 0x20;

function octal(block: Buffer, at: number, width: number, value: number): void {
  block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
}

/** Header block of type `x` for `sizeBytes` of records. Constant but for the size, so that it compresses away. */
function makeHeader(sizeBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write("PaxHeader", 0, "latin1");
  octal(block, 100, 8, 0o644);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, sizeBytes);
  octal(block, 136, 12, 0);
  block.write("        x", 148, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Headers by size: nearly every file has one, for the fraction of its time, and they are of a few sizes. */
const headers = new Map<number, Buffer>();
const MAX_CACHED_BYTES = 512;

function paxHeader(sizeBytes: number): Buffer {
  if (sizeBytes > MAX_CACHED_BYTES) return makeHeader(sizeBytes);
  const header = headers.get(sizeBytes) ?? makeHeader(sizeBytes);
  headers.set(sizeBytes, header);
  return header;
}

interface SizedRecord {
  readonly key: Buffer;
  readonly value: Uint8Array;
  /** Of `LENGTH KEY=VALUE\n`, its own digits included. */
  readonly length: number;
}

function sized(key: string, value: Uint8Array): SizedRecord {
  const keyBytes = encodeName(key);
  const rest = keyBytes.length + value.length + 3;
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return { key: keyBytes, value, length };
}

function writeRecord(block: Buffer, at: number, { key, value, length }: SizedRecord): void {
  const start = at + block.write(`${length} `, at, "latin1");
  block.set(key, start);
  block[start + key.length] = EQUALS;
  block.set(value, start + key.length + 1);
  block[at + length - 1] = NEWLINE;
}

/** The blocks that say `records` of the next member; sorted by key, so that equal members have equal bytes. */
export function encodePax(records: PaxRecords): Buffer {
  const all = [...records].map(([key, value]) => sized(key, value));
  if (all.length > 1) all.sort((a, b) => Buffer.compare(a.key, b.key));
  const sizeBytes = all.reduce((sum, record) => sum + record.length, 0);
  const block = Buffer.alloc(BLOCK + Math.ceil(sizeBytes / BLOCK) * BLOCK);
  block.set(paxHeader(sizeBytes), 0);
  let at = BLOCK;
  for (const record of all) {
    writeRecord(block, at, record);
    at += record.length;
  }
  return block;
}

function malformed(why: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive has a malformed extended (PAX) header: ${why}`);
}

/** Parses the records of one header. Throws TSB_INTEGRITY; never takes more than `limits.paxBytes`. */
export function decodePax(body: Buffer): Map<string, Buffer> {
  if (body.length > limits.paxBytes) throw malformed(`it is longer than ${limits.paxBytes} bytes`);
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const space = body.indexOf(SPACE, at);
    const digits = space < 0 || space - at > 8 ? "" : body.toString("latin1", at, space);
    if (!/^[1-9]\d*$/.test(digits)) throw malformed("a record has no length");
    const end = at + Number(digits);
    const equals = body.indexOf(EQUALS, space);
    if (end > body.length || body[end - 1] !== NEWLINE || equals < 0 || equals >= end - 1) {
      throw malformed("a record's length is wrong");
    }
    records.set(body.toString("utf8", space + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** `SECONDS[.FRACTION]`, the shortest form that keeps the nanoseconds. */
export function formatPaxTime(timeNs: bigint): string {
  const negative = timeNs < 0n;
  const magnitude = negative ? -timeNs : timeNs;
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  const text = `${magnitude / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
  return negative ? `-${text}` : text;
}

/** Times that a file can have: 64-bit nanoseconds, as the kernel takes them. */
const TIME_LIMIT_NS = 2n ** 63n;

export function parsePaxTime(text: string): bigint {
  const match = /^(-?)(\d{1,11})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw malformed(`${JSON.stringify(text)} is not a time`);
  const fraction = (match[3] ?? "").slice(0, 9).padEnd(9, "0");
  const magnitude = BigInt(match[2] ?? "0") * 1_000_000_000n + BigInt(fraction);
  if (magnitude >= TIME_LIMIT_NS) throw malformed(`the time ${text} is out of range`);
  return match[1] === "-" ? -magnitude : magnitude;
}
