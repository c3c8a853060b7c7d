import { encodeName } from "@tsbuild/native-fs";
import type { Header, Pack } from "tar-stream";
import type { TarEntry, TarEntryType, TarMember } from "./entry.ts";
import { encodePax, formatPaxTime } from "./pax.ts";

const TYPES = {
  file: "file",
  folder: "directory",
  symlink: "symlink",
  hardlink: "link",
  char: "character-device",
  block: "block-device",
  fifo: "fifo",
} as const satisfies Record<TarEntryType, string>;

/** What the octal fields of tar-stream's ustar header hold. */
const MAX_ID = 0o777777;
const MAX_DEVICE = 0o777777;
const MAX_SECONDS = 0x7fff_ffff;
const MAX_NAME_BYTES = 100;
/** A bit above the permissions: tar-stream masks it off, but without it takes mode 0 for "not given" (0644). */
const MODE_GIVEN = 0o10000;

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

function fits(value: number, max: number): number {
  return value > max ? 0 : value;
}

/**
 * Queues one member. The PAX block is ours: tar-stream makes text of record values, which destroys binary ones (capabilities), and
 * sends names that are not ASCII through the same path. The ustar header, the padding, the flow of the body and the
 * end of the archive are tar-stream's.
 */
async function addMember(pack: Pack, { entry, body }: TarMember): Promise<void> {
  const name = entry.type === "folder" ? `${entry.path}/` : entry.path;
  const records = paxRecords(entry, name);
  if (records.size > 0) pack.push(encodePax(records));
  const seconds = Number(entry.mtimeNs / 1_000_000_000n);
  const header = {
    name: plainName(name),
    type: TYPES[entry.type],
    mode: entry.mode | MODE_GIVEN,
    uid: fits(entry.uid, MAX_ID),
    gid: fits(entry.gid, MAX_ID),
    size: entry.type === "file" ? entry.size : 0,
    mtime: new Date(Math.max(0, Math.min(seconds, MAX_SECONDS)) * 1000),
    // A link that is empty or undefined makes tar-stream wait for it as the body.
    ...(entry.target === undefined ? {} : { linkname: plainName(entry.target) || "_" }),
    devmajor: fits(entry.major ?? 0, MAX_DEVICE),
    devminor: fits(entry.minor ?? 0, MAX_DEVICE),
  };
  await addEntry(pack, header, entry.type === "file" ? (body ?? new Uint8Array(0)) : undefined);
}

/** Rejects when the archive is given up meanwhile, so that the body is closed and not waited for for ever. */
async function drained(sink: ReturnType<Pack["entry"]>): Promise<void> {
  if (!sink.destroying) {
    const { promise, resolve } = Promise.withResolvers<void>();
    sink.once("drain", resolve).once("close", resolve);
    await promise;
    sink.off("drain", resolve).off("close", resolve);
  }
  if (sink.destroying) throw new Error("the archive was given up");
}

function addEntry(
  pack: Pack,
  header: Partial<Header> & { name: string },
  body: TarMember["body"],
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const finished = (error?: Error | null) => (error ? reject(error) : resolve());
  if (body === undefined || body instanceof Uint8Array) {
    const sink =
      body === undefined
        ? pack.entry(header, finished)
        : pack.entry(header, Buffer.from(body.buffer, body.byteOffset, body.length), finished);
    sink.on("error", reject);
    return promise;
  }
  const sink = pack.entry(header, finished);
  sink.on("error", reject);
  const feed = async () => {
    for await (const chunk of body) {
      if (!sink.write(chunk)) await drained(sink);
    }
    sink.end(null);
  };
  const feeding = feed().catch((error: Error) => sink.destroy(error));
  return promise.finally(() => feeding);
}

/** Joins small chunks: 50,000 small files are 150,000 pieces, and each costs its reader a turn. */
async function* joinChunks(chunks: AsyncIterable<Buffer>, blockBytes: number): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    pending.push(chunk);
    size += chunk.length;
    if (size < blockBytes) continue;
    yield pending.length === 1 ? chunk : Buffer.concat(pending, size);
    pending = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(pending, size);
}

const BUFFER_BYTES = 1024 * 1024;
const BLOCK_BYTES = 256 * 1024;

/**
 * A tar archive of `members`, in their order, as a stream that holds about a mebibyte. Equal members give equal bytes. Rejects
 * when a body is not as long as its entry says.
 */
export async function* writeTar(
  members: AsyncIterable<TarMember> | Iterable<TarMember>,
): AsyncGenerator<Buffer> {
  // Here, so that programs that only name images do not load it.
  const { default: tar } = await import("tar-stream");
  const pack = tar.pack({ highWaterMark: BUFFER_BYTES });
  const writing = (async () => {
    for await (const member of members) await addMember(pack, member);
    pack.finalize();
  })();
  writing.catch((error: Error) => pack.destroy(error));
  try {
    yield* joinChunks(pack as unknown as AsyncIterable<Buffer>, BLOCK_BYTES);
  } finally {
    pack.destroy(null);
    // Bodies are closed when this is over. Its failure is that of the stream above, or nobody wants to know.
    await writing.catch(() => undefined);
  }
}
