import { limits, TsbuildError } from "@tsbuild/base";
import { encodeName } from "@tsbuild/native-fs";

/** Records of a PAX extended header (POSIX.1-2001 pax, "pax Extended Header"); values are bytes: xattrs need not be text. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const BLOCK = 512;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([
    Buffer.from(" "),
    encodeName(key),
    Buffer.of(EQUALS),
    value,
    Buffer.of(NEWLINE),
  ]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function octal(block: Buffer, at: number, width: number, value: number): void {
  block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
}

/** Header block of type `x` for `sizeBytes` of records. Constant but for the size, so that it compresses away. */
function paxHeader(sizeBytes: number): Buffer {
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

/** The blocks that say `records` of the next member; sorted by key, so that equal members have equal bytes. */
export function encodePax(records: PaxRecords): Buffer {
  const keys = [...records.keys()].sort((a, b) => Buffer.compare(encodeName(a), encodeName(b)));
  const body = Buffer.concat(keys.map((key) => paxRecord(key, records.get(key) ?? Buffer.alloc(0))));
  const padding = Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK);
  return Buffer.concat([paxHeader(body.length), body, padding]);
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
