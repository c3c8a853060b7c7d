import { close, constants, read } from "node:fs";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import type { NativeFs, TreeEntry } from "@tsbuild/native-fs";
import type { TarEntry, TarMember } from "../tar/entry.ts";

const readAt = promisify(read);
const closeFd = promisify(close);

/** Files up to this size are read many at a time; larger ones are streamed. */
const SMALL_BYTES = 64 * 1024;
/** A group of members that is read at once: in flight is one such group and the next. */
const GROUP_BYTES = 2 * 1024 * 1024;
const GROUP_MEMBERS = 1024;
const CHUNK_BYTES = 1024 * 1024;

/** The part of native-fs that reading a tree takes. */
export type ReadCalls = Pick<NativeFs, "readFiles" | "openInRoot" | "walk">;

/** A member to be, with the file that its content comes from. */
export interface PlannedMember {
  readonly entry: TarEntry;
  readonly tree: TreeEntry;
}

function changed(path: string): TsbuildError {
  return new TsbuildError("TSB_STORE", `${JSON.stringify(path)} changed while it was being packed`);
}

async function* streamFile(fs: ReadCalls, root: number, entry: TreeEntry): AsyncGenerator<Buffer> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = fs.openInRoot(root, entry.path, flags, 0);
  try {
    let left = entry.size;
    while (left > 0) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left));
      const { bytesRead } = await readAt(fd, chunk, 0, chunk.length, null);
      if (bytesRead === 0) throw changed(entry.path);
      left -= bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
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

/**
 * Members with their contents: small files are read in groups, the next group while the present one is being packed; large ones as
 * streams. Throws TSB_STORE when a file is not what the walk saw.
 */
export async function* withContents(
  fs: ReadCalls,
  root: number,
  members: Iterable<PlannedMember>,
): AsyncGenerator<TarMember> {
  for (const group of loadedGroups(fs, root, members)) {
    const small = await group.small;
    let next = 0;
    for (const member of group.members) {
      const { entry, tree } = member;
      if (isSmallFile(member)) {
        const body = small[next++];
        if (body?.length !== entry.size) throw changed(tree.path);
        yield { entry, body };
      } else if (entry.size > 0) yield { entry, body: streamFile(fs, root, tree) };
      else yield { entry };
    }
  }
}
