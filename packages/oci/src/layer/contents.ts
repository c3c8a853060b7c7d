import { close, constants, fstat, read } from "node:fs";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import type { NativeFs, TreeEntry } from "@tsbuild/native-fs";
import { releaseAll } from "../memory.ts";
import type { FileRange, TarEntry, TarPieceMember } from "../tar/entry.ts";
import { fileRanges } from "../tar/ranges.ts";

const readAt = promisify(read);
const closeFd = promisify(close);
const statFd = promisify(fstat);

/** Files up to this size are read many at a time; larger ones are streamed. */
export const SMALL_BYTES = 64 * 1024;
/** A group of members that is read at once: in flight is one such group and the next. */
const GROUP_BYTES = 512 * 1024;
const GROUP_MEMBERS = 256;
const CHUNK_BYTES = 512 * 1024;

/** The part of native-fs that reading a tree takes. */
export type ReadCalls = Pick<NativeFs, "readFiles" | "openInRoot" | "walk">;

interface ReadFrom {
  readonly fs: ReadCalls;
  readonly root: number;
  readonly buffers: ReadBuffers;
}

/** A member to be, with the file that its content comes from. */
export interface PlannedMember {
  readonly entry: TarEntry;
  readonly tree: TreeEntry;
}

export function changed(path: string): TsbuildError {
  return new TsbuildError("TSB_STORE", `${JSON.stringify(path)} changed while it was being packed`);
}

/** Where large files are read into: the next piece while the present one is being packed. */
class ReadBuffers {
  readonly #reuse: boolean;
  readonly #buffers: Buffer[] = [];
  #turn = 0;

  constructor(reuse: boolean) {
    this.#reuse = reuse;
  }

  next(): Buffer {
    if (!this.#reuse) return Buffer.allocUnsafe(CHUNK_BYTES);
    this.#turn = 1 - this.#turn;
    const buffer = this.#buffers[this.#turn] ?? Buffer.allocUnsafe(CHUNK_BYTES);
    this.#buffers[this.#turn] = buffer;
    return buffer;
  }
}

/** Reads on until `sizeBytes` or the end of the file: fewer bytes mean that it became shorter. */
async function readChunk(fd: number, buffer: Buffer, sizeBytes: number): Promise<Buffer> {
  const { bytesRead } = await readAt(fd, buffer, 0, Math.min(buffer.length, sizeBytes), null);
  return buffer.subarray(0, bytesRead);
}

function openFile(fs: ReadCalls, root: number, entry: TreeEntry): number {
  return fs.openInRoot(root, entry.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0);
}

async function* streamFile({ fs, root, buffers }: ReadFrom, entry: TreeEntry): AsyncGenerator<Buffer> {
  const fd = openFile(fs, root, entry);
  let ahead = readChunk(fd, buffers.next(), entry.size);
  try {
    for (let left = entry.size; left > 0; ) {
      const chunk = await ahead;
      if (chunk.length === 0) throw changed(entry.path);
      left -= chunk.length;
      if (left > 0) ahead = readChunk(fd, buffers.next(), left);
      // Awaited in its turn; when packing stops earlier, below.
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    // Nothing reads from a number that may soon be another file's, or into memory that is used again.
    await ahead.catch(() => undefined);
    await closeFd(fd);
  }
}

/** The same without reading: where the bytes are. */
async function* rangesOf({ fs, root }: ReadFrom, entry: TreeEntry): AsyncGenerator<FileRange> {
  const fd = openFile(fs, root, entry);
  try {
    const { size } = await statFd(fd);
    if (size !== entry.size) throw changed(entry.path);
    yield* fileRanges(fd, size);
  } finally {
    await closeFd(fd);
  }
}

function isSmallFile({ entry }: PlannedMember): boolean {
  return entry.type === "file" && entry.size > 0 && entry.size <= SMALL_BYTES;
}

function* groups(members: Iterable<PlannedMember>): Generator<PlannedMember[]> {
  let group: PlannedMember[] = [];
  let sizeBytes = 0;
  for (const member of members) {
    group.push(member);
    if (isSmallFile(member)) sizeBytes += member.entry.size;
    if (sizeBytes < GROUP_BYTES && group.length < GROUP_MEMBERS) continue;
    yield group;
    group = [];
    sizeBytes = 0;
  }
  if (group.length > 0) yield group;
}

interface LoadedGroup {
  readonly members: readonly PlannedMember[];
  /** Contents of the small files among them, in order. */
  readonly small: Promise<readonly Buffer[]>;
}

function load(fs: ReadCalls, root: number, members: readonly PlannedMember[]): LoadedGroup {
  const paths = members.filter(isSmallFile).map(({ tree }) => tree.path);
  const small = paths.length === 0 ? Promise.resolve([]) : fs.readFiles(root, paths, SMALL_BYTES);
  // Awaited when its turn comes; if packing ends before, nobody does.
  small.catch(() => undefined);
  return { members, small };
}

function* loadedGroups(
  fs: ReadCalls,
  root: number,
  members: Iterable<PlannedMember>,
): Generator<LoadedGroup, void> {
  let ahead: LoadedGroup | undefined;
  for (const group of groups(members)) {
    const loaded = load(fs, root, group);
    if (ahead !== undefined) yield ahead;
    ahead = loaded;
  }
  if (ahead !== undefined) yield ahead;
}

export interface ContentOptions {
  /** A content is gone when the next member or chunk is asked for. */
  readonly reuse?: boolean | undefined;
  /** Large files come as ranges, unread. */
  readonly ranges?: boolean | undefined;
}

/**
 * Members with their contents: small files are read in groups, the next group while the present one is being packed; large ones as
 * streams. Throws TSB_STORE when a file is not what the walk saw.
 */
export async function* withContents(
  fs: ReadCalls,
  root: number,
  members: Iterable<PlannedMember>,
  { reuse = false, ranges = false }: ContentOptions = {},
): AsyncGenerator<TarPieceMember> {
  const from = { fs, root, buffers: new ReadBuffers(reuse) };
  for (const group of loadedGroups(fs, root, members)) {
    const small = await group.small;
    let next = 0;
    for (const member of group.members) {
      const { entry, tree } = member;
      if (isSmallFile(member)) {
        const body = small[next++];
        if (body?.length !== entry.size) throw changed(tree.path);
        yield { entry, body };
      } else if (entry.size > 0)
        yield { entry, body: ranges ? rangesOf(from, tree) : streamFile(from, tree) };
      else yield { entry };
    }
    if (reuse) releaseAll(small);
  }
}
