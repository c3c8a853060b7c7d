/**
 * eStargz (stargz-snapshotter's docs/estargz.md): a tar.gz whose files are gzip members of their own, with a table of contents as its last
 * file and a footer that tells where that is. Who knows it mounts a layer before it is fetched; to all others it is gzip.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip, type ZlibOptions } from "node:zlib";
import type { DiffId, Digest } from "@tsbuild/base";
import { sha256 } from "@tsbuild/base";
import type { TarEntry, TarEntryType } from "../tar/entry.ts";
import { readTar } from "../tar/reader.ts";
import { writeTar } from "../tar/writer.ts";

/** What is known once the stream has been read to its end. */
export interface EstargzSummary {
  /** Of what it unpacks to: the layer's files, the landmark and the table. */
  readonly diffId: DiffId;
  readonly sizeBytes: number;
  readonly tocDigest: Digest;
}

export const TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
export const UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size";

const TOC_NAME = "stargz.index.json";
/** Says that no files are to be fetched ahead: nobody has seen the image run. */
const NO_PREFETCH = ".no.prefetch.landmark";
const RESERVED: ReadonlySet<string> = new Set([TOC_NAME, NO_PREFETCH, ".prefetch.landmark"]);
const LANDMARK = Buffer.of(0xf);

/** As stargz-snapshotter cuts large files. Part of the bytes, and so of the variant's name. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const BLOCK = 512;

interface TocEntry {
  readonly name: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

const TYPES: Readonly<Record<TarEntryType, string>> = {
  file: "reg",
  folder: "dir",
  symlink: "symlink",
  hardlink: "hardlink",
  char: "char",
  block: "block",
  fifo: "fifo",
};

function entryOf({ path, type, ...entry }: TarEntry): TocEntry {
  const { mode, uid, gid, size, target, major, minor, xattrs = [] } = entry;
  const values = xattrs.map(({ name, value }) => [name, value.toString("base64")] as const);
  return {
    name: type === "folder" ? `${path}/` : path,
    type: TYPES[type],
    ...(size > 0 ? { size } : {}),
    modtime: timeText(entry.mtimeNs),
    ...(target === undefined ? {} : { linkName: target }),
    mode,
    uid,
    gid,
    ...(type === "char" || type === "block" ? { devMajor: major ?? 0, devMinor: minor ?? 0 } : {}),
    ...(values.length === 0 ? {} : { xattrs: Object.fromEntries(values) }),
  };
}

/** Years of more than four digits are no RFC 3339: such a time is unknown. */
function timeText(mtimeNs: bigint): string {
  const date = new Date(Number(mtimeNs / 1_000_000_000n) * 1000);
  const text = Number.isNaN(date.getTime()) ? "" : date.toISOString();
  return /^\d{4}-/.test(text) ? `${text.slice(0, 19)}Z` : "";
}

/** The header of a member as an archive of it alone begins; its two final blocks are left out. */
async function headerOf(entry: TarEntry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // Files are written as empty ones and get their size after: no body is at hand yet.
  const bare = writeTar([{ entry: entry.type === "file" ? { ...entry, size: 0 } : entry }]);
  for await (const chunk of bare) chunks.push(Buffer.from(chunk));
  return withSize(Buffer.concat(chunks).subarray(0, -2 * BLOCK), entry);
}

const SIZE_AT = 124;
const CHECKSUM_AT = 148;

/** Puts a file's size into its header, which is the last block. */
function withSize(bytes: Buffer, { type, size }: TarEntry): Buffer {
  if (type !== "file" || size === 0) return bytes;
  const header = bytes.subarray(-BLOCK);
  if (size < 8 ** 11) header.write(`${size.toString(8).padStart(11, "0")}\0`, SIZE_AT, "latin1");
  else {
    header.fill(0, SIZE_AT, SIZE_AT + 12);
    header.writeBigUInt64BE(BigInt(size), SIZE_AT + 4);
    header[SIZE_AT] = 0x80;
  }
  header.write("        ", CHECKSUM_AT, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, CHECKSUM_AT, "latin1");
  return bytes;
}

/** Made when it is called: node:zlib takes 6 ms to load, and each image has this file with it. */
function compressMember(bytes: Buffer, level: number): Promise<Buffer> {
  const compress = promisify<Uint8Array, ZlibOptions, Buffer>(gzip);
  return compress(bytes, { level, memLevel: 9 });
}

/** Bytes that become one gzip member each time they are cut. */
class MemberWriter {
  offset = 0;
  sizeBytes = 0;
  readonly #hash = createHash("sha256");
  readonly #level: number;
  #parts: Buffer[] = [];

  constructor(level: number) {
    this.#level = level;
  }

  put(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.sizeBytes += bytes.length;
    this.#parts.push(bytes);
  }

  /** Ends the member that is being filled; what follows begins at `offset`. */
  async cut(): Promise<Buffer[]> {
    if (this.#parts.length === 0) return [];
    const member = await compressMember(Buffer.concat(this.#parts), this.#level);
    // The system that zlib was built for is nobody's business: unknown.
    member[9] = 0xff;
    this.#parts = [];
    this.offset += member.length;
    return [member];
  }

  diffId(): DiffId {
    return `sha256:${this.#hash.digest("hex")}` as DiffId;
  }
}

/** An empty gzip member (RFC 1952) with the offset of the table in its extra field. */
function footer(tocOffset: number): Buffer {
  const text = Buffer.from(`${tocOffset.toString(16).padStart(16, "0")}STARGZ`, "latin1");
  const header = Buffer.of(
    0x1f,
    0x8b,
    8,
    4,
    0,
    0,
    0,
    0,
    0,
    0xff,
    text.length + 4,
    0,
    0x53,
    0x47,
    text.length,
    0,
  );
  return Buffer.concat([header, text, Buffer.of(1, 0, 0, 0xff, 0xff), Buffer.alloc(8)]);
}

/** A body in pieces of exactly `CHUNK_BYTES`, but for the last. */
async function* pieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let filled = 0;
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; ) {
      const part = Buffer.from(chunk.subarray(at, at + CHUNK_BYTES - filled));
      parts.push(part);
      filled += part.length;
      at += part.length;
      if (filled < CHUNK_BYTES) continue;
      yield Buffer.concat(parts);
      parts = [];
      filled = 0;
    }
  }
  if (filled > 0) yield Buffer.concat(parts);
}

class EstargzWriter {
  readonly #members: MemberWriter;
  readonly #entries: TocEntry[] = [];
  tocDigest: Digest | undefined;

  constructor(members: MemberWriter) {
    this.#members = members;
  }

  async *add(entry: TarEntry, body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
    this.#members.put(await headerOf(entry));
    if (entry.type !== "file" || entry.size === 0) this.#entries.push(entryOf(entry));
    else yield* this.#file(entry, body);
  }

  async *#file(entry: TarEntry, body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
    const hash = createHash("sha256");
    const first = this.#entries.length;
    let chunkOffset = 0;
    for await (const piece of pieces(body)) {
      yield* await this.#members.cut();
      hash.update(piece);
      const isLast = chunkOffset + piece.length === entry.size;
      const place = {
        offset: this.#members.offset,
        ...(isLast ? {} : { chunkSize: piece.length }),
        chunkDigest: sha256(piece),
      };
      const name = entry.path;
      this.#entries.push(
        chunkOffset === 0 ? { ...entryOf(entry), ...place } : { name, type: "chunk", chunkOffset, ...place },
      );
      this.#members.put(piece);
      chunkOffset += piece.length;
    }
    const whole = this.#entries[first];
    if (whole !== undefined) this.#entries[first] = { ...whole, digest: `sha256:${hash.digest("hex")}` };
    this.#members.put(Buffer.alloc((BLOCK - (entry.size % BLOCK)) % BLOCK));
  }

  /** The table as the last file, the end of the archive, and the footer. */
  async *finish(): AsyncGenerator<Buffer> {
    yield* await this.#members.cut();
    const { offset } = this.#members;
    const toc = Buffer.from(JSON.stringify({ version: 1, entries: this.#entries }));
    this.tocDigest = sha256(toc);
    this.#members.put(await headerOf(plainFile(TOC_NAME, toc.length)));
    this.#members.put(toc);
    this.#members.put(Buffer.alloc(((BLOCK - (toc.length % BLOCK)) % BLOCK) + 2 * BLOCK));
    yield* await this.#members.cut();
    yield footer(offset);
  }
}

function plainFile(path: string, size: number): TarEntry {
  return { path, type: "file", mode: 0o444, uid: 0, gid: 0, size, mtimeNs: 0n };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Makes an eStargz blob of a layer's tar. Equal tars give equal bytes. `result` is there once the stream has ended. */
export function estargz(
  tar: AsyncIterable<Uint8Array>,
  level: number,
): { readonly stream: AsyncGenerator<Buffer>; result(): EstargzSummary } {
  const members = new MemberWriter(level);
  const writer = new EstargzWriter(members);
  const stream = async function* (): AsyncGenerator<Buffer> {
    yield* writer.add(plainFile(NO_PREFETCH, LANDMARK.length), once(LANDMARK));
    for await (const { entry, body } of readTar(tar))
      if (!RESERVED.has(entry.path)) yield* writer.add(entry, body);
    yield* writer.finish();
  };
  return {
    stream: stream(),
    result: () => {
      const { tocDigest } = writer;
      if (tocDigest === undefined) throw new Error("assertion failed: the stream was read to its end");
      return { diffId: members.diffId(), sizeBytes: members.sizeBytes, tocDigest };
    },
  };
}

/** Name under which a blob is remembered, as `variantName` has it. */
export function estargzVariant(level: number): string {
  return `estargz-${level}-${process.versions.zlib}-chunks4m-memory9`;
}
