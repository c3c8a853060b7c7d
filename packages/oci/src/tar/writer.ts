import { encodeName } from "@tsbuild/native-fs";
import type { FileRange, TarEntry, TarEntryType, TarMember, TarPiece, TarPieceMember } from "./entry.ts";
import { BLOCK, encodeHeader } from "./header.ts";
import { encodePax, formatPaxTime } from "./pax.ts";

const TYPE_FLAGS = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  folder: "5",
  fifo: "6",
} as const satisfies Record<TarEntryType, string>;

/** What the octal fields of a ustar header hold. */
const MAX_ID = 0o777777;
const MAX_DEVICE = 0o777777;
const MAX_SECONDS = 0x7fff_ffff;
const MAX_NAME_BYTES = 100;

const PRINTABLE = /^[\x20-\x7e]*$/;

/** True for a name that the 100 bytes of the header can hold and every reader understands. */
function isPlain(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && PRINTABLE.test(name);
}

/** What a reader without PAX sees in place of a name that the header cannot hold. */
function plainName(name: string): string {
  return isPlain(name) ? name : name.replace(/[^\x20-\x7e]/g, "_").slice(-MAX_NAME_BYTES);
}

/** Everything about a member that its ustar header cannot say exactly. */
function paxRecords(entry: TarEntry, name: string): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  if (!isPlain(name)) records.set("path", encodeName(name));
  if (entry.target !== undefined && !isPlain(entry.target)) records.set("linkpath", encodeName(entry.target));
  if (entry.uid > MAX_ID) records.set("uid", Buffer.from(String(entry.uid)));
  if (entry.gid > MAX_ID) records.set("gid", Buffer.from(String(entry.gid)));
  const seconds = Number(entry.mtimeNs / 1_000_000_000n);
  if (entry.mtimeNs < 0n || seconds > MAX_SECONDS || entry.mtimeNs % 1_000_000_000n !== 0n) {
    records.set("mtime", Buffer.from(formatPaxTime(entry.mtimeNs)));
  }
  if ((entry.major ?? 0) > MAX_DEVICE) records.set("SCHILY.devmajor", Buffer.from(String(entry.major)));
  if ((entry.minor ?? 0) > MAX_DEVICE) records.set("SCHILY.devminor", Buffer.from(String(entry.minor)));
  for (const { name: xattr, value } of entry.xattrs ?? []) records.set(`SCHILY.xattr.${xattr}`, value);
  return records;
}

function nameOf({ type, path }: TarEntry): string {
  return type === "folder" ? `${path}/` : path;
}

function paddingBytes({ size }: TarEntry): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** What a member takes of an archive, in bytes: its headers, which come first, and all of it. */
export function memberBytes(entry: TarEntry): { readonly head: number; readonly all: number } {
  const records = paxRecords(entry, nameOf(entry));
  const head = BLOCK + (records.size > 0 ? encodePax(records).length : 0);
  return { head, all: entry.type === "file" ? head + entry.size + paddingBytes(entry) : head };
}

/** Of the end of an archive. */
export const END_BYTES = 2 * BLOCK;

function fits(value: number, max: number): number {
  return value > max ? 0 : value;
}

function writeHeader(header: Buffer, entry: TarEntry, name: string): void {
  const seconds = Number(entry.mtimeNs / 1_000_000_000n);
  encodeHeader(header, {
    name: plainName(name),
    // An empty link would be the name of a file for some readers; the PAX record says what it is.
    linkname: entry.target === undefined ? "" : plainName(entry.target) || "_",
    typeflag: TYPE_FLAGS[entry.type],
    mode: entry.mode & 0o7777,
    uid: fits(entry.uid, MAX_ID),
    gid: fits(entry.gid, MAX_ID),
    size: entry.type === "file" ? entry.size : 0,
    mtimeSeconds: Math.max(0, Math.min(seconds, MAX_SECONDS)),
    devmajor: fits(entry.major ?? 0, MAX_DEVICE),
    devminor: fits(entry.minor ?? 0, MAX_DEVICE),
  });
}

const BLOCK_BYTES = 256 * 1024;
/** Pieces of a body from this size on are passed on as they are; smaller ones are joined, since each costs its reader a turn. */
const LARGE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(END_BYTES);

export interface WriteTarOptions {
  /** The memory of a chunk is used again when the next one is asked for: for readers that are done with it by then. */
  readonly reuse?: boolean | undefined;
}

/** Joins what is put in to blocks of one size. Generators, since a full block has to be read before it is filled again. */
class Joiner {
  readonly #reuse: boolean;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #filled = 0;

  constructor(reuse: boolean) {
    this.#reuse = reuse;
  }

  /** Takes small pieces as long as there is room, which is nearly always; false: use `put`. */
  take(bytes: Uint8Array): boolean {
    if (bytes.length >= BLOCK_BYTES - this.#filled) return false;
    this.#block.set(bytes, this.#filled);
    this.#filled += bytes.length;
    return true;
  }

  *put(bytes: Uint8Array): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) yield* this.flush();
    }
  }

  *flush(): Generator<Buffer> {
    if (this.#filled === 0) return;
    yield this.#block.subarray(0, this.#filled);
    this.#filled = 0;
    if (!this.#reuse) this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
  }
}

function sizeMismatch({ path, size }: TarEntry, found: number): Error {
  return new Error(
    `size mismatch: ${JSON.stringify(path)} has ${found > size ? "more than" : `${found} of`} ${size} bytes`,
  );
}

async function* writeStream(
  joiner: Joiner,
  entry: TarEntry,
  body: AsyncIterable<TarPiece>,
): AsyncGenerator<Buffer | FileRange> {
  let found = 0;
  for await (const chunk of body) {
    found += chunk.length;
    if (found > entry.size) throw sizeMismatch(entry, found);
    if (!(chunk instanceof Uint8Array)) {
      yield* joiner.flush();
      yield chunk;
    } else if (chunk.length < LARGE_BYTES) yield* joiner.put(chunk);
    else {
      yield* joiner.flush();
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    }
  }
  if (found !== entry.size) throw sizeMismatch(entry, found);
}

/**
 * A tar archive of `members`, in their order, as a stream that holds half a mebibyte. Equal members give equal bytes, whatever the pieces
 * of their bodies are. Rejects when a body is not as long as its entry says.
 */
export function writeTar(
  members: AsyncIterable<TarMember> | Iterable<TarMember>,
  options: WriteTarOptions = {},
): AsyncGenerator<Buffer> {
  // Ranges come out only where ranges went in.
  return writeTarPieces(members, options) as AsyncGenerator<Buffer>;
}

/** The same for members whose bodies may be parts of files: these come out as they went in. */
export async function* writeTarPieces(
  members: AsyncIterable<TarPieceMember> | Iterable<TarPieceMember>,
  options: WriteTarOptions = {},
): AsyncGenerator<Buffer | FileRange> {
  const joiner = new Joiner(options.reuse ?? false);
  yield* writeMembers(joiner, members);
  yield* joiner.put(ZEROS);
  yield* joiner.flush();
}

/** Some members of an archive: others may follow, and its end (`tarEnd`). */
export async function* writeTarMembers(
  members: AsyncIterable<TarPieceMember> | Iterable<TarPieceMember>,
  options: WriteTarOptions = {},
): AsyncGenerator<Buffer | FileRange> {
  const joiner = new Joiner(options.reuse ?? false);
  yield* writeMembers(joiner, members);
  yield* joiner.flush();
}

export function tarEnd(): Buffer {
  return Buffer.alloc(END_BYTES);
}

async function* writeMembers(
  joiner: Joiner,
  members: AsyncIterable<TarPieceMember> | Iterable<TarPieceMember>,
): AsyncGenerator<Buffer | FileRange> {
  const header = Buffer.alloc(BLOCK);
  for await (const member of members) {
    const { entry } = member;
    const name = nameOf(entry);
    const records = paxRecords(entry, name);
    if (records.size > 0) {
      const pax = encodePax(records);
      if (!joiner.take(pax)) yield* joiner.put(pax);
    }
    writeHeader(header, entry, name);
    if (!joiner.take(header)) yield* joiner.put(header);
    if (entry.type !== "file") continue;
    const { body = ZEROS.subarray(0, 0) } = member;
    if (!(body instanceof Uint8Array)) yield* writeStream(joiner, entry, body);
    else if (body.length !== entry.size) throw sizeMismatch(entry, body.length);
    else if (!joiner.take(body)) yield* joiner.put(body);
    const padding = ZEROS.subarray(0, paddingBytes(entry));
    if (!joiner.take(padding)) yield* joiner.put(padding);
  }
}
