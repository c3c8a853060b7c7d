import { assert, limits, TsbuildError } from "@tsbuild/base";
import { decodeName, type Xattr } from "@tsbuild/native-fs";
import type { Extract, Header } from "tar-stream";
import type { TarEntry, TarEntryType } from "./entry.ts";

import { decodePax, parsePaxTime } from "./pax.ts";

/** A member as it comes by. `body` is read to its end or not at all; then it is skipped when the next member is asked for. */
export interface ReadMember {
  readonly entry: TarEntry;
  readonly body: AsyncIterable<Buffer>;
}

type Records = Map<string, Buffer>;

/**
 * The parts of tar-stream's Extract that are replaced (the version is pinned). Why: it decodes record values as UTF-8, which
 * destroys binary xattrs and names; it lets a header take 4 MiB; and it reads on behind the two zero blocks that end an
 * archive, where others stop, so that one archive would hold different files for different readers.
 */
interface ExtractInternals {
  _header: FoundHeader | null;
  _longHeader: boolean;
  _missing: number;
  _pax: Record<string, unknown> | null;
  _gnuLongPath: string | null;
  _gnuLongLinkPath: string | null;
  _consumeHeader(): boolean;
  _decodeLongHeader(body: Buffer): void;
  _continueWrite(error: Error): void;
  _final(done: (error: Error | null) => void): void;
}

/** What tar-stream really gives: links may be null, kinds it does not know too. */
type FoundHeader = Omit<Header, "type" | "linkname" | "pax"> & {
  readonly type: string | null;
  readonly linkname: string | null;
  readonly pax?: { readonly records?: Records } | null;
};

function bad(what: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive is damaged: ${what}`);
}

/** Latin-1 on the way in keeps every byte; `decodeName` makes the name of it. */
function latin1Name(text: string): string {
  return decodeName(Buffer.from(text, "latin1"));
}

function cutAtNul(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString("latin1", 0, end < 0 ? body.length : end);
}

function paxForExtract(records: Records): Record<string, unknown> {
  const size = records.get("size")?.toString("latin1");
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw bad(`a member's size is ${JSON.stringify(size)}`);
  return {
    path: records.get("path")?.toString("latin1"),
    linkpath: records.get("linkpath")?.toString("latin1"),
    size,
    records,
  };
}

/** Replaces the decoding of long headers: bytes stay bytes. */
function decodeExactly(internals: ExtractInternals): void {
  let globals: Records = new Map();
  internals._decodeLongHeader = (body) => {
    const type = internals._header?.type;
    if (type === "gnu-long-path") internals._gnuLongPath = cutAtNul(body);
    else if (type === "gnu-long-link-path") internals._gnuLongLinkPath = cutAtNul(body);
    else if (type === "pax-global-header") globals = new Map([...globals, ...decodePax(body)]);
    else internals._pax = paxForExtract(new Map([...globals, ...decodePax(body)]));
  };
}

/** Bounds headers, and makes everything behind the end of the archive padding without an end. */
function watchHeaders(internals: ExtractInternals): void {
  let zeroBlocks = 0;
  const consume = internals._consumeHeader;
  internals._consumeHeader = () => {
    const result = consume.call(internals);
    if (internals._longHeader && internals._missing > limits.paxBytes) {
      internals._continueWrite(
        bad(`a header claims more than ${limits.paxBytes} bytes of names or attributes`),
      );
      return false;
    }
    zeroBlocks = result && internals._header === null ? zeroBlocks + 1 : 0;
    if (zeroBlocks === 2) internals._missing = Number.POSITIVE_INFINITY;
    return result;
  };
  const final = internals._final;
  internals._final = (done) => {
    if (internals._missing === Number.POSITIVE_INFINITY) internals._missing = 0;
    final.call(internals, done);
  };
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "folder",
  symlink: "symlink",
  link: "hardlink",
  "character-device": "char",
  "block-device": "block",
  fifo: "fifo",
};

function numberField(
  records: Records | undefined,
  key: string,
  header: number | undefined,
  max: number,
): number {
  const text = records?.get(key)?.toString("latin1");
  const value = text === undefined ? (header ?? 0) : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw bad(`a member's ${key} is ${text === undefined ? value : JSON.stringify(text)}`);
  }
  return value;
}

function xattrsOf(records: Records | undefined): Xattr[] | undefined {
  const prefix = "SCHILY.xattr.";
  const xattrs = [...(records ?? [])]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => ({ name: key.slice(prefix.length), value: Buffer.from(value) }));
  return xattrs.length === 0 ? undefined : xattrs;
}

function refuseSparse(header: FoundHeader, records: Records | undefined): void {
  const sparse = [...(records?.keys() ?? [])].some((key) => key.startsWith("GNU.sparse."));
  const known = header.type !== null && TYPES[header.type] !== undefined;
  if (known && !sparse) return;
  throw new TsbuildError(
    "TSB_UNSUPPORTED",
    `the archive's member ${JSON.stringify(header.name)} is ${sparse ? "a sparse file" : "of an unknown kind"}`,
    { hint: "make the archive without --sparse, in the format of POSIX (tar --format=pax)" },
  );
}

const MAX_ID = 2 ** 32 - 2;

function mtimeOf(header: FoundHeader, records: Records | undefined): bigint {
  const exact = records?.get("mtime")?.toString("latin1");
  if (exact !== undefined) return parsePaxTime(exact);
  const seconds = Math.trunc(header.mtime.getTime() / 1000);
  return Number.isSafeInteger(seconds) ? BigInt(seconds) * 1_000_000_000n : 0n;
}

function toEntry(header: FoundHeader): TarEntry {
  const records = header.pax?.records;
  refuseSparse(header, records);
  const type = TYPES[header.type ?? ""] ?? "file";
  const path = latin1Name(header.name);
  const isLink = type === "symlink" || type === "hardlink";
  const target = isLink ? latin1Name(header.linkname ?? "") : undefined;
  if (path.includes("\0") || target?.includes("\0")) throw bad("a member's name holds a zero byte");
  return {
    path: path.replace(/(?!^)\/+$/, ""),
    type,
    mode: header.mode & 0o7777,
    uid: numberField(records, "uid", header.uid, MAX_ID),
    gid: numberField(records, "gid", header.gid, MAX_ID),
    size: type === "file" ? header.size : 0,
    mtimeNs: mtimeOf(header, records),
    target,
    major: numberField(records, "SCHILY.devmajor", header.devmajor, 0xfff_ffff),
    minor: numberField(records, "SCHILY.devminor", header.devminor, 0xfff_ffff),
    xattrs: xattrsOf(records),
  };
}

async function feed(extract: Extract, source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of source) {
    if (extract.destroying) return;
    if (chunk.length === 0 || extract.write(chunk)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    extract.once("drain", resolve).once("close", resolve);
    await promise;
    extract.off("drain", resolve).off("close", resolve);
  }
}

async function openExtract(): Promise<Extract> {
  // v7 archives have no magic. (Options that tar-stream's types lack.)
  const options: object = { allowUnknownFormat: true, filenameEncoding: "latin1" };
  const { default: tar } = await import("tar-stream");
  const extract = tar.extract(options);
  const internals = extract as unknown as ExtractInternals;
  for (const hook of ["_consumeHeader", "_decodeLongHeader", "_final"] as const) {
    assert(typeof internals[hook] === "function", `tar-stream has the hook ${hook} that the reader replaces`);
  }
  decodeExactly(internals);
  watchHeaders(internals);
  return extract;
}

/** tar-stream's own complaints are about the archive; ours and those of the source pass through. */
function describeFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TsbuildError) return error;
  if (error.message === "Unexpected end of data") return bad("it ends in the middle of a member");
  if (/^(Invalid (tar )?header|Header exceeds)/.test(error.message))
    return bad("a member's header is not a tar header");
  return error;
}

/** tar-stream ends the body, not the archive, with the error of a cut. */
async function* bodyOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw describeFailure(error);
  }
}

/**
 * Reads an uncompressed tar archive (v7, ustar, GNU long names, PAX). The source is read to its end, also behind the end of
 * the archive, so that digests and lengths taken from it are complete. Throws TSB_INTEGRITY on damage or a cut, TSB_UNSUPPORTED
 * on sparse members.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<ReadMember> {
  const extract = await openExtract();
  const feeding = (async () => {
    await feed(extract, source);
    extract.end(null);
  })();
  feeding.catch((error: Error) => extract.destroy(error));
  try {
    for await (const found of extract) {
      const header = found.header as unknown as FoundHeader;
      yield { entry: toEntry(header), body: bodyOf(found as unknown as AsyncIterable<Buffer>) };
      if (!found.destroyed) found.resume();
    }
    await feeding;
  } catch (error) {
    throw describeFailure(error);
  } finally {
    extract.destroy(null);
    await feeding.catch(() => undefined);
  }
}
