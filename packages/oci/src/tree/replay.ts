/**
 * Copies of whole trees, as faithful as the file system allows: owners, modes, times, attributes, hard links, devices, sockets.
 * Content is shared by reflink where that works. For views of snapshots without overlayfs.
 */
import { decodeTree, encodeTreeOps, type NativeFs, type TreeEntry, type TreeOp } from "@tsbuild/native-fs";
import { isImageXattr, isOpaque, isWhiteout } from "../layer/whiteout.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

const NODES: ReadonlyMap<number, "fifo" | "char" | "block" | "socket"> = new Map([
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o140000, "socket"],
]);

const BATCH_OPS = 2048;

export type ReplayCalls = Pick<NativeFs, "walk" | "apply" | "setOwnerModeInRoot" | "setTimesInRoot">;

export interface ReplayOptions {
  readonly fs: ReplayCalls;
  /** Descriptors of the tree that is read and the one that is written. */
  readonly source: number;
  readonly dest: number;
  readonly signal?: AbortSignal | undefined;
}

/** Ops that make entries of one tree in another; `times` afterwards gives folders the times that filling them changed. */
export class ReplayOps {
  readonly #linked = new Map<string, string>();
  readonly #folders: { readonly path: string; readonly mtimeNs: bigint }[] = [];

  /** Undefined: nothing that a file system could hold. */
  op(entry: TreeEntry): TreeOp | undefined {
    const { path, uid, gid, mtimeNs } = entry;
    const xattrs = entry.xattrs?.filter((xattr) => isImageXattr(xattr.name)) ?? [];
    const common = { path, uid, gid, mtimeNs, xattrs, existing: "replace" } as const;
    const mode = entry.mode & 0o7777;
    const type = entry.mode & S_IFMT;
    if (type === S_IFDIR) {
      this.#folders.push({ path, mtimeNs });
      return { ...common, type: "folder", mode };
    }
    const first = this.#firstName(entry);
    if (first !== undefined) return { type: "hardlink", path, to: first, existing: "replace" };
    if (type === S_IFREG) return { ...common, type: "copy", from: path, mode };
    if (type === S_IFLNK) return { ...common, type: "symlink", target: entry.target ?? "" };
    const kind = NODES.get(type);
    if (kind === undefined) return undefined;
    return { ...common, type: "node", kind, major: entry.rdevMajor, minor: entry.rdevMinor, mode };
  }

  *times(): Generator<TreeOp> {
    for (const { path, mtimeNs } of this.#folders)
      yield { type: "times", path, mtimeNs, existing: "replace" };
  }

  #firstName(entry: TreeEntry): string | undefined {
    if (entry.nlink < 2) return undefined;
    const inode = `${entry.dev}:${entry.ino}`;
    const first = this.#linked.get(inode);
    if (first === undefined) this.#linked.set(inode, entry.path);
    return first;
  }
}

/** Performs ops in batches, so that memory does not grow with the tree. */
export async function applyTreeOps(options: ReplayOptions, ops: Iterable<TreeOp>): Promise<void> {
  let batch: TreeOp[] = [];
  const flush = async (): Promise<void> => {
    options.signal?.throwIfAborted();
    await options.fs.apply(options.dest, options.source, encodeTreeOps(batch), { hash: false });
    batch = [];
  };
  for (const op of ops) {
    batch.push(op);
    if (batch.length >= BATCH_OPS) await flush();
  }
  if (batch.length > 0) await flush();
}

/** Owner, mode and time of a tree's root: no op can name it. */
export function replayRoot({ fs, dest }: ReplayOptions, root: TreeEntry): void {
  const { uid, gid, mode, mtimeNs } = root;
  fs.setOwnerModeInRoot(dest, ".", { uid, gid, mode: mode & 0o7777 });
  fs.setTimesInRoot(dest, ".", mtimeNs, mtimeNs);
}

/** What an entry of a layer does to the tree that the layers below it made. */
export function layerOps(entry: TreeEntry, plan: ReplayOps): TreeOp[] {
  if (isWhiteout(entry)) return [{ type: "remove", path: entry.path, existing: "replace" }];
  const op = plan.op(entry);
  if (op === undefined) return [];
  // A folder that is there keeps the attributes that its new self does not have; so does an opaque one its entries.
  return op.type === "folder" && isOpaque(entry)
    ? [{ type: "remove", path: entry.path, existing: "replace" }, op]
    : [op];
}

function* allOps(walked: Buffer, opsOf: (entry: TreeEntry, plan: ReplayOps) => TreeOp[]): Generator<TreeOp> {
  const plan = new ReplayOps();
  for (const entry of decodeTree(walked)) if (entry.path !== "") yield* opsOf(entry, plan);
  yield* plan.times();
}

async function replay(
  options: ReplayOptions,
  opsOf: (entry: TreeEntry, plan: ReplayOps) => TreeOp[],
): Promise<void> {
  const walked = await options.fs.walk(options.source, "", { xattrs: true });
  await applyTreeOps(options, allOps(walked, opsOf));
  for (const entry of decodeTree(walked)) {
    replayRoot(options, entry);
    return;
  }
}

/** Applies a layer folder to what the layers below it made: whiteouts remove, opaque folders start anew. */
export function replayLayer(options: ReplayOptions): Promise<void> {
  return replay(options, layerOps);
}

/** Copies a tree as it is into an empty folder. */
export function cloneTree(options: ReplayOptions): Promise<void> {
  return replay(options, (entry, plan) => {
    const op = plan.op(entry);
    return op === undefined ? [] : [op];
  });
}
