import { limits, TsbuildError } from "@tsbuild/base";
import { decodeName, type Xattr } from "@tsbuild/native-fs";
import { badArchive, decodeHeader, type RawHeader } from "./decode.ts";
import type { TarEntry, TarEntryType } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { decodePax, parsePaxTime } from "./pax.ts";
import { TarSource } from "./source.ts";

/** The bytes of a member. */
export interface ReadBody extends AsyncIterable<Buffer> {
  /** All of them, when they are at hand in one piece: to be asked for before any other. It is gone when the next member is asked for. */
  whole(): Buffer | undefined;
}

/** A member as it comes by. `body` is read once, or not at all; what is left of it is skipped when the next member is asked for. */
export interface ReadMember {
  readonly entry: TarEntry;
  readonly body: ReadBody;
}

/** Somebody who reads members in place of who asked for them. */
export interface MemberTaker {
  /**
   * Gets bytes that begin a member, or go on with one. Tells how many it is done with: whole members, or all bytes, and then the next ones are
   * for it as well. 0: the member is not for it.
   */
  take(bytes: Buffer): number | Promise<number>;
  /** It has a member that is not whole yet. */
  readonly isInside: boolean;
}

type Records = Map<string, Buffer>;

/** A member's header with what the records before it say in place of its fields. */
interface Header extends RawHeader {
  readonly records: Records | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "folder",
  "6": "fifo",
  "7": "file",
};
const PAX = "x";
const PAX_GLOBAL = "g";
const GNU_LONG_LINK = "K";
/** `N` is that of old GNU tars. */
const GNU_LONG_NAMES = ["L", "N"];
const LONG = new Set([PAX, PAX_GLOBAL, GNU_LONG_LINK, ...GNU_LONG_NAMES]);

/** Latin-1 on the way in keeps every byte; `decodeName` makes the name of it. */
function latin1Name(text: string): string {
  return decodeName(Buffer.from(text, "latin1"));
}

function cutAtNul(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString("latin1", 0, end < 0 ? body.length : end);
}

function numberField(records: Records | undefined, key: string, header: number, max: number): number {
  const text = records?.get(key)?.toString("latin1");
  const value = text === undefined ? header : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw badArchive(`a member's ${key} is ${text === undefined ? value : JSON.stringify(text)}`);
  }
  return value;
}

function xattrsOf(records: Records | undefined): Xattr[] | undefined {
  if (records === undefined) return undefined;
  const prefix = "SCHILY.xattr.";
  let xattrs: Xattr[] | undefined;
  for (const [key, value] of records) {
    if (!key.startsWith(prefix)) continue;
    xattrs ??= [];
    xattrs.push({ name: key.slice(prefix.length), value: Buffer.from(value) });
  }
  return xattrs;
}

function typeOf({ typeflag, name, records }: Header): TarEntryType {
  // v7 knows no folders but by their names. (Where the flag is the character 0, it is a file, as for Go's reader.)
  const type = typeflag === "\0" && name.endsWith("/") ? "folder" : TYPES[typeflag];
  const sparse = records?.keys().some((key) => key.startsWith("GNU.sparse."));
  if (type !== undefined && !sparse) return type;
  throw new TsbuildError(
    "TSB_UNSUPPORTED",
    `the archive's member ${JSON.stringify(name)} is ${sparse ? "a sparse file" : "of an unknown kind"}`,
    { hint: "make the archive without --sparse, in the format of POSIX (tar --format=pax)" },
  );
}

const MAX_ID = 2 ** 32 - 2;
/** The last day that JavaScript knows: later ones are nonsense. */
const MAX_SECONDS = 8.64e12;

function mtimeOf({ mtimeSeconds, records }: Header): bigint {
  const exact = records?.get("mtime")?.toString("latin1");
  if (exact !== undefined) return parsePaxTime(exact);
  const seconds = Math.trunc(mtimeSeconds);
  return Math.abs(seconds) <= MAX_SECONDS ? BigInt(seconds) * 1_000_000_000n : 0n;
}

function toEntry(header: Header): TarEntry {
  const { records } = header;
  const type = typeOf(header);
  const path = latin1Name(header.name);
  const isLink = type === "symlink" || type === "hardlink";
  const target = isLink ? latin1Name(header.linkname) : undefined;
  if (path.includes("\0") || target?.includes("\0")) throw badArchive("a member's name holds a zero byte");
  return {
    path: path.replace(/(?!^)\/+$/, ""),
    type,
    mode: header.mode & 0o7777,
    uid: numberField(records, "uid", header.uid, MAX_ID),
    gid: numberField(records, "gid", header.gid, MAX_ID),
    size: type === "file" ? header.size : 0,
    mtimeNs: mtimeOf(header),
    target,
    major: numberField(records, "SCHILY.devmajor", header.devmajor, 0xfff_ffff),
    minor: numberField(records, "SCHILY.devminor", header.devminor, 0xfff_ffff),
    xattrs: xattrsOf(records),
  };
}

function cut(): TsbuildError {
  return badArchive("it ends in the middle of a member");
}

function padding(sizeBytes: number): number {
  return (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
}

/** What a member's long headers say of it, until it comes. */
class LongHeaders {
  #globals: Records = new Map();
  #records: Records | undefined;
  #name = "";
  #link = "";

  /** False: `header` is that of a member. */
  static has({ typeflag }: RawHeader): boolean {
    return LONG.has(typeflag);
  }

  /** Nothing is said of members that come later. */
  get isEmpty(): boolean {
    return this.#globals.size === 0;
  }

  add({ typeflag }: RawHeader, body: Buffer): void {
    if (typeflag === GNU_LONG_LINK) this.#link = cutAtNul(body);
    else if (GNU_LONG_NAMES.includes(typeflag)) this.#name = cutAtNul(body);
    else if (typeflag === PAX_GLOBAL) this.#globals = new Map([...this.#globals, ...decodePax(body)]);
    else this.#records = this.#checked(decodePax(body));
  }

  #checked(own: Records): Records {
    const records = this.#globals.size === 0 ? own : new Map([...this.#globals, ...own]);
    const size = records.get("size")?.toString("latin1");
    if (size === undefined || /^\d{1,15}$/.test(size)) return records;
    throw badArchive(`a member's size is ${JSON.stringify(size)}`);
  }

  /** The member's header; they are for none but this one. */
  apply(raw: RawHeader): Header {
    const records = this.#records;
    const said = (key: string): string | undefined => records?.get(key)?.toString("latin1") || undefined;
    const header = {
      ...raw,
      name: said("path") ?? (this.#name || raw.name),
      linkname: said("linkpath") ?? (this.#link || raw.linkname),
      size: Number(said("size") ?? raw.size),
      records,
    };
    this.#records = undefined;
    this.#name = "";
    this.#link = "";
    if (!(header.size >= 0)) throw badArchive("a member's header is not a tar header");
    return header;
  }
}

/** The members' headers, one by one. */
class HeaderReader {
  readonly #source: TarSource;
  readonly #long = new LongHeaders();

  constructor(source: TarSource) {
    this.#source = source;
  }

  /** A member's header says all there is to say of it. */
  get isSelfContained(): boolean {
    return this.#long.isEmpty;
  }

  /** Undefined at the end of the archive: two blocks of zeros, or nothing more. Others stop there, too: nobody reads what is behind it. */
  async next(): Promise<Header | undefined> {
    for (let zeroBlocks = 0; zeroBlocks < 2; ) {
      const block = this.#source.now(BLOCK) ?? (await this.#source.exactly(BLOCK));
      if (block.length === 0) return undefined;
      if (block.length < BLOCK) throw cut();
      const raw = decodeHeader(block);
      if (raw !== undefined && !LongHeaders.has(raw)) return this.#long.apply(raw);
      if (raw !== undefined) await this.#readLong(raw);
      zeroBlocks = raw === undefined ? zeroBlocks + 1 : 0;
    }
    return undefined;
  }

  async #readLong(raw: RawHeader): Promise<void> {
    if (!(raw.size >= 0)) throw badArchive("a member's header is not a tar header");
    if (raw.size > limits.paxBytes)
      throw badArchive(`a header claims more than ${limits.paxBytes} bytes of names or attributes`);
    // A copy: records are kept.
    const body = Buffer.from(this.#source.now(raw.size) ?? (await this.#source.exactly(raw.size)));
    const left = this.#source.skipNow(padding(raw.size));
    if (body.length < raw.size || (left > 0 && !(await this.#source.skip(left)))) throw cut();
    this.#long.add(raw, body);
  }
}

/** The bytes of one member. */
class Body implements ReadBody {
  readonly #source: TarSource;
  #left: number;
  readonly #padding: number;

  constructor(source: TarSource, sizeBytes: number) {
    this.#source = source;
    this.#left = sizeBytes;
    this.#padding = padding(sizeBytes);
  }

  whole(): Buffer | undefined {
    const bytes = this.#source.now(this.#left);
    if (bytes !== undefined) this.#left = 0;
    return bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      const piece = await this.#source.some(this.#left);
      if (piece === undefined) throw cut();
      this.#left -= piece.length;
      yield piece;
    }
  }

  /** Passes over what nobody has read, as far as it is at hand; what is left is for `end`. */
  endNow(): number {
    return this.#source.skipNow(this.#left + this.#padding);
  }

  async end(left: number): Promise<void> {
    if (!(await this.#source.skip(left))) throw cut();
  }
}

async function giveTo(taker: MemberTaker, source: TarSource): Promise<void> {
  const goesOn = await source.giveTo((bytes) => taker.take(bytes));
  if (!goesOn && taker.isInside) throw cut();
}

/**
 * Reads an uncompressed tar archive (v7, ustar, GNU long names, PAX). Pieces of bodies lie in the chunks of the source; it is done with a
 * chunk when it asks for the next. The source is read to its end, also behind the end of
 * the archive, so that digests and lengths taken from it are complete. Throws TSB_INTEGRITY on damage or a cut, TSB_UNSUPPORTED
 * on sparse members. Members that `taker` takes are not given.
 */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  taker?: MemberTaker,
): AsyncGenerator<ReadMember> {
  const source = new TarSource(stream);
  const headers = new HeaderReader(source);
  const next = async (): Promise<Header | undefined> => {
    if (taker !== undefined && headers.isSelfContained) await giveTo(taker, source);
    return headers.next();
  };
  try {
    for (let header = await next(); header !== undefined; header = await next()) {
      // What a folder's header says of a size, nothing follows of; where only the name tells of a folder, it does, as for other readers.
      const body = new Body(source, header.typeflag === "5" ? 0 : header.size);
      yield { entry: toEntry(header), body };
      const left = body.endNow();
      if (left > 0) await body.end(left);
    }
    await source.skip(Number.POSITIVE_INFINITY);
  } finally {
    await source.close();
  }
}
