import {
  decodeTree,
  encodeTreeOps,
  nativeFs,
  type TreeEntry,
  type TreeOp,
  TreeReader,
  type Xattr,
} from "@tsbuild/native-fs";
import { isImageXattr, isWhiteout } from "../layer/whiteout.ts";
import { type MergedTree, openMerged } from "./merged.ts";

export interface CopyMergedOptions extends MergedTree, CopyTreeOptions {
  /** Host path of an existing folder. */
  readonly dest: string;
}

export interface CopyTreeOptions extends Pick<MergedTree, "signal" | "maxMtimeNs"> {
  /** Remove what the tree does not have (X014 mode=delete). */
  readonly mirror: boolean;
  /** Owner of what is made. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Neither set-user-id bits nor xattrs, nor links that lead out of the folder: whoever reads it next would follow them. */
  readonly plain?: boolean | undefined;
  /** Told after each batch. */
  readonly onProgress?: ((files: number, total: number) => void) | undefined;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFIFO = 0o010000;

const BATCH_OPS = 2048;

/** Makes copy ops of entries. Sockets and devices stay behind: they mean nothing outside, and making them takes root. */
class CopyPlan {
  readonly #options: CopyTreeOptions;
  readonly #linked = new Map<string, string>();
  /** Folders with their times, set last. */
  readonly folders: { readonly path: string; readonly mtimeNs: bigint }[] = [];

  constructor(options: CopyTreeOptions) {
    this.#options = options;
  }

  op(entry: TreeEntry): TreeOp | undefined {
    // The folder itself is the user's.
    if (entry.path === "" || isWhiteout(entry)) return undefined;
    const { path } = entry;
    const { maxMtimeNs: max, plain = false } = this.#options;
    const mtimeNs = max !== undefined && entry.mtimeNs > max ? max : entry.mtimeNs;
    const common = {
      path,
      ...this.#options.owner,
      mtimeNs,
      xattrs: plain ? [] : imageXattrs(entry),
      existing: "replace",
    } as const;
    const mode = entry.mode & (plain ? 0o777 : 0o7777);
    const type = entry.mode & S_IFMT;
    if (type === S_IFDIR) {
      this.folders.push({ path, mtimeNs });
      return { ...common, type: "folder", mode };
    }
    if (type !== S_IFREG && type !== S_IFLNK && type !== S_IFIFO) return undefined;
    const first = type === S_IFLNK && plain ? undefined : this.#firstName(entry);
    if (first !== undefined) return { type: "hardlink", path, to: first, existing: "replace" };
    if (type === S_IFREG) return { ...common, type: "copy", from: path, mode };
    if (type === S_IFLNK) {
      const target = entry.target ?? "";
      return plain && leadsOut(path, target) ? undefined : { ...common, type: "symlink", target };
    }
    return { ...common, type: "node", kind: "fifo", major: 0, minor: 0, mode };
  }

  #firstName(entry: TreeEntry): string | undefined {
    if (entry.nlink < 2) return undefined;
    const inode = `${entry.dev}:${entry.ino}`;
    const first = this.#linked.get(inode);
    if (first === undefined) this.#linked.set(inode, entry.path);
    return first;
  }
}

/**
 * Whether a link may lead out of the folder that `path` is in. Only `..` at the beginning is judged, for the link's own folder is a real
 * one; after a name, which may be a link too, it can go anywhere.
 */
export function leadsOut(path: string, target: string): boolean {
  if (target.startsWith("/")) return true;
  const words = target.split("/").filter((word) => word !== "" && word !== ".");
  const up = words.findIndex((word) => word !== "..");
  const climbs = up < 0 ? words.length : up;
  return climbs > path.split("/").length - 1 || words.slice(climbs).includes("..");
}

function imageXattrs(entry: TreeEntry): readonly Xattr[] {
  return entry.xattrs?.filter((xattr) => isImageXattr(xattr.name)) ?? [];
}

async function applyAll(
  source: number,
  dest: number,
  ops: Iterable<TreeOp>,
  options: { readonly signal: AbortSignal | undefined; readonly onBatch: (ops: number) => void },
): Promise<void> {
  let batch: TreeOp[] = [];
  const flush = async () => {
    options.signal?.throwIfAborted();
    // The file system of the user's folder may know no xattrs; the files matter more.
    await nativeFs.apply(dest, source, encodeTreeOps(batch), { hash: false, ignoreXattrErrors: true });
    options.onBatch(batch.length);
    batch = [];
  };
  for (const op of ops) {
    batch.push(op);
    if (batch.length >= BATCH_OPS) await flush();
  }
  if (batch.length > 0) await flush();
}

/** Removes what `kept` does not name, outermost first. */
async function removeOthers(dest: number, kept: ReadonlySet<string>): Promise<void> {
  let removed: string | undefined;
  for (const { path } of decodeTree(await nativeFs.walk(dest, "", { xattrs: false }))) {
    if (path === "" || kept.has(path) || (removed !== undefined && path.startsWith(`${removed}/`))) continue;
    nativeFs.removeInRoot(dest, path);
    removed = path;
  }
}

function* planOps(walked: Buffer, plan: CopyPlan): Generator<TreeOp> {
  for (const entry of decodeTree(walked)) {
    const op = plan.op(entry);
    if (op !== undefined) yield op;
  }
  for (const { path, mtimeNs } of plan.folders) yield { type: "times", path, mtimeNs, existing: "replace" };
}

/** From a folder into another, both open. */
export async function copyTree(source: number, dest: number, options: CopyTreeOptions): Promise<void> {
  const walked = await nativeFs.walk(source, "", { xattrs: true });
  if (options.mirror) {
    await removeOthers(dest, new Set([...decodeTree(walked)].map((entry) => entry.path)));
  }
  const plan = new CopyPlan(options);
  const total = new TreeReader(walked).count;
  let done = 0;
  const onBatch = (ops: number) => {
    done += ops;
    options.onProgress?.(Math.min(done, total), total);
  };
  await applyAll(source, dest, planOps(walked, plan), { signal: options.signal, onBatch });
}

/**
 * Copies a root filesystem into a folder (X014): by reflink where that works, with hard links among the files and all that the target's
 * file system can keep. What is in the way is replaced, what is not stays unless `mirror`. Failures are native-fs's.
 */
export async function copyMerged(options: CopyMergedOptions): Promise<void> {
  const dest = nativeFs.openFolder(options.dest);
  try {
    if (options.lowers.length === 0) {
      if (options.mirror) await removeOthers(dest, new Set());
      return;
    }
    const source = await openMerged(options);
    try {
      await copyTree(source.root, dest, options);
    } finally {
      source.close();
    }
  } finally {
    nativeFs.close(dest);
  }
}
