import { availableParallelism } from "node:os";
import { addon, type OwnerAndTime } from "./addon.ts";
import type { NativeFs, NodeOptions, WalkDigests } from "./api.ts";
import { decodeName, decodeNames, encodePaths, nameArgument } from "./names.ts";
import { STAT_FIELDS, statOf } from "./stat.ts";
import { splitTime } from "./time.ts";

/** Below this many paths a second thread costs more than it saves. */
const PATHS_PER_BATCH_MIN = 64;
/** libuv's pool has four threads; two of them stay free for everyone else. */
const BATCHES_MAX = Math.min(2, availableParallelism());

const UNLIMITED_DEPTH = 0xffff_ffff;
const NOTHING = { paths: [], names: [] } as const;

const AS_WALKED = { uid: -1, gid: -1 };
const NO_BYTES = Buffer.alloc(0);

/** One for all calls: they are synchronous. */
const statValues = new BigInt64Array(STAT_FIELDS);

function ownerAndTime({ uid, gid, mtimeNs }: Omit<NodeOptions, "mode">): OwnerAndTime {
  if (mtimeNs === undefined) return [uid, gid, undefined, undefined];
  const { seconds, nanos } = splitTime(mtimeNs);
  return [uid, gid, Number(seconds), nanos];
}

/** Cuts a list into the runs that the threads work on, keeping its order. */
function runsOf<T>(items: readonly T[]): { readonly start: number; readonly items: readonly T[] }[] {
  const batches = Math.min(BATCHES_MAX, Math.ceil(items.length / PATHS_PER_BATCH_MIN)) || 1;
  const size = Math.ceil(items.length / batches) || 1;
  return Array.from({ length: batches }, (_, run) => ({
    start: run * size,
    items: items.slice(run * size, (run + 1) * size),
  }));
}

/**
 * Runs `work` over the runs of `paths` at once. All are waited for, so that no thread still works when the caller sees the failure;
 * of several failures it is that of the first path.
 */
async function inParallel(
  paths: readonly string[],
  work: (paths: readonly string[]) => Promise<Buffer>,
): Promise<Buffer[]> {
  const runs = runsOf(paths);
  const settled = await Promise.allSettled(runs.map((run) => work(run.items)));
  return settled.map((result, run) => {
    if (result.status === "fulfilled") return result.value;
    throw shiftIndex(result.reason, runs[run]!.start);
  });
}

/** The index in an error is that in the whole list. */
function shiftIndex(error: unknown, start: number): unknown {
  if (error instanceof Error && "index" in error && typeof error.index === "number") error.index += start;
  return error;
}

/** Cuts what the addon's `readFiles` returned: u64 length, bytes, for each file. */
function splitContents(block: Buffer): Buffer[] {
  const contents: Buffer[] = [];
  for (let at = 0; at < block.length; ) {
    const end = at + 8 + Number(block.readBigUInt64LE(at));
    contents.push(block.subarray(at + 8, end));
    at = end;
  }
  return contents;
}

const DIGEST_BYTES = 32;

/** See core/walk_digest.h. */
function splitDigests(block: Buffer): WalkDigests {
  const parts: { readonly index: number; readonly digest: Buffer }[] = [];
  for (let at = DIGEST_BYTES; at < block.length; at += 4 + DIGEST_BYTES)
    parts.push({ index: block.readUInt32LE(at), digest: block.subarray(at + 4, at + 4 + DIGEST_BYTES) });
  return { all: block.subarray(0, DIGEST_BYTES), parts };
}

/** The format is described in core/usage.h. */
function countUsage(usage: Buffer, seen: Set<number>): number {
  let bytes = Number(usage.readBigUInt64LE(0));
  for (let at = 8; at < usage.length; at += 16) {
    const inode = Number(usage.readBigUInt64LE(at));
    if (seen.has(inode)) continue;
    seen.add(inode);
    bytes += Number(usage.readBigUInt64LE(at + 8));
  }
  return bytes;
}

export const nativeFs: NativeFs = {
  openFolder: (path) => addon().openFolder(nameArgument(path)),
  close: (fd) => addon().close(fd),
  mountOverlay: ({ lowers, upper, work, userxattr, volatile }) =>
    addon().mountOverlay(
      lowers.map(nameArgument),
      upper === undefined ? undefined : nameArgument(upper),
      work === undefined ? undefined : nameArgument(work),
      userxattr,
      volatile ?? false,
    ),
  plainLayer: (layers, path, { userxattr, isFile }) =>
    addon().plainLayer(layers.map(nameArgument), nameArgument(path), userxattr, isFile),
  mountMemory: () => addon().mountMemory(),
  syncFs: async (fd) => {
    await addon().syncFs(fd);
  },
  sendRange: async (out, { fd, offset, length }, at) => {
    await addon().sendFileRange(out, fd, offset, length, at);
  },
  fsyncFolder: async (path) => {
    await addon().fsyncFolder(nameArgument(path));
  },

  openInRoot: (root, path, flags, mode) => addon().openInRoot(root, nameArgument(path), flags, mode),
  statInRoot: (root, path, follow) =>
    addon().statInRoot(root, nameArgument(path), follow, statValues) ? statOf(statValues) : undefined,
  pathInRoot: (root, path) => {
    const found = addon().pathInRoot(root, nameArgument(path));
    return found && decodeName(found);
  },
  readlinkInRoot: (root, path) => decodeName(addon().readlinkInRoot(root, nameArgument(path))),
  listInRoot: (root, path) => decodeNames(addon().listInRoot(root, nameArgument(path))),
  readFileInRoot: (root, path, maxBytes) => addon().readFileInRoot(root, nameArgument(path), maxBytes),
  mkdirInRoot: (root, path, options) =>
    decodeNames(
      addon().mkdirInRoot(root, nameArgument(path), options.parents, options.mode, ...ownerAndTime(options)),
    ),
  removeInRoot: (root, path) => addon().removeInRoot(root, nameArgument(path)),
  setTimesInRoot: (root, path, atimeNs, mtimeNs) => {
    const atime = splitTime(atimeNs);
    const mtime = splitTime(mtimeNs);
    const seconds = [Number(atime.seconds), Number(mtime.seconds)] as const;
    addon().setTimesInRoot(root, nameArgument(path), seconds[0], atime.nanos, seconds[1], mtime.nanos);
  },
  setOwnerModeInRoot: (root, path, { uid, gid, mode }) =>
    addon().setOwnerModeInRoot(root, nameArgument(path), uid, gid, mode),
  writeFileInRoot: (root, path, data, options) =>
    addon().writeFileInRoot(root, nameArgument(path), data, options.mode, ...ownerAndTime(options)),
  symlinkInRoot: (root, path, target, options) =>
    addon().symlinkInRoot(root, nameArgument(path), nameArgument(target), ...ownerAndTime(options)),

  walk: async (root, path, { xattrs, depth = UNLIMITED_DEPTH, skip = NOTHING }) =>
    addon().walk(root, nameArgument(path), xattrs, depth, encodePaths(skip.paths), encodePaths(skip.names)),
  diskUsage: async (root, seen) => countUsage(await addon().diskUsage(root), seen),
  hashFiles: async (root, paths) =>
    Buffer.concat(await inParallel(paths, (run) => addon().hashFiles(root, encodePaths(run), run.length))),
  readFiles: async (root, paths, maxBytesEach) => {
    const blocks = await inParallel(paths, (run) =>
      addon().readFiles(root, encodePaths(run), run.length, maxBytesEach),
    );
    return blocks.flatMap(splitContents);
  },
  apply: async (root, source, ops, { hash, ignoreXattrErrors }) =>
    addon().apply(root, source, ops, hash, ignoreXattrErrors ?? false),
  applyHere: (root, ops) => addon().applyHere(root, ops),
  copyFiles: async ({ root, source, twins = -1 }, files) => {
    const { picks, hashes, from, to, owner, mtimeNs } = files;
    const { uid, gid } = owner ?? AS_WALKED;
    await addon().copyFiles(
      root,
      source,
      twins,
      files.walk,
      new Uint8Array(picks.buffer, picks.byteOffset, picks.byteLength),
      hashes ?? NO_BYTES,
      nameArgument(from),
      nameArgument(to),
      files.existing === "replace",
      ...ownerAndTime({ uid, gid, mtimeNs }),
    );
  },
  pairWalks: async (before, after) => {
    const bytes = await addon().pairWalks(before, after);
    // Numbers begin at multiples of their size.
    const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
    return new Uint32Array(buffer, byteOffset, bytes.length / Uint32Array.BYTES_PER_ELEMENT);
  },
  digestWalk: async (walk, { hashes, chosen, name, ownerless }) => {
    const picked = new Uint8Array(chosen.buffer, chosen.byteOffset, chosen.byteLength);
    return splitDigests(await addon().digestWalk(walk, hashes, picked, nameArgument(name), ownerless));
  },

  tryLock: (path, mode) => addon().tryLock(nameArgument(path), mode === "exclusive"),

  socketPair: (kind) => addon().socketPair(kind === "packets"),
  sendDescriptors: (socket, bytes, fds) =>
    addon().sendDescriptors(socket, bytes, new Uint8Array(Int32Array.from(fds).buffer)),
  lockByte: (fd, offset, lock) => addon().lockByte(fd, offset, lock),

  startProgram: (path, task, input) => {
    const [pid, errors] = addon().startProgram(nameArgument(path), task, input);
    return { pid, errors };
  },
  endProcess: (status) => addon().endProcess(status),
  programEnd: (pid) => {
    const end = addon().programEnd(pid);
    return end && { status: end[0], signal: end[1] };
  },

  sha256: (bytes) => addon().sha256(bytes),
};
