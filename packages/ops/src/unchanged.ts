import { type NativeFs, type Stat, type TreeEntry, TreeReader } from "@tsbuild/native-fs";
import { isOpaque } from "@tsbuild/oci";
import type { ActiveSnapshot, SnapshotViews } from "@tsbuild/store";
import { isContentXattr } from "./content/digest.ts";
import { isFolder } from "./content/locate.ts";
import { HASH_BYTES } from "./content/scan.ts";
import { join } from "./file/target.ts";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Folders of a layer that are looked at before the layers below are; one with more of them is worth that anyway. */
const GLANCES = 16;

/** Folders deeper than the kernel takes paths (PATH_MAX, with a name behind) are left as they are. */
const MAX_PATH_BYTES = 3800;

interface Roots {
  readonly fs: NativeFs;
  /** The layer that the step wrote. */
  readonly upper: number;
  /** What it was written on. */
  readonly below: number;
}

export interface UnchangedOptions {
  readonly fs: NativeFs;
  readonly views: SnapshotViews;
  readonly active: Pick<ActiveSnapshot, "parent" | "upper">;
  /** When writing began, in nanoseconds since the epoch. */
  readonly startedNs: bigint;
}

/**
 * Takes out of a layer what is as it was. `chown -R app /app` where all belongs to app already, a chmod that changes nothing and a file that is
 * opened for writing and left alone make overlayfs copy files up, and `COPY --from=other / /` brings what is there already: the layer would hold
 * all of it once more. As BuildKit's differ has it, what looks the same and has the same content is no change. Only when the overlay is not mounted any more.
 */
export async function dropUnchanged({ fs, views, active, startedNs }: UnchangedOptions): Promise<void> {
  const { parent } = active;
  if (parent === null) return;
  const upper = fs.openFolder(active.upper);
  try {
    // Of many steps there is nothing; a walk goes by way of another thread.
    if (fs.listInRoot(upper, ".").length === 0) return;
    if (!(await mayHoldUnchanged(fs, upper, startedNs))) return;
    const view = await views.open(parent, { again: true });
    try {
      await visit({ fs, upper, below: view.root }, "");
    } finally {
      view.close();
    }
  } finally {
    fs.close(upper);
  }
}

async function entriesOf(fs: NativeFs, root: number, folder: string): Promise<TreeEntry[]> {
  const reader = new TreeReader(await fs.walk(root, folder, { xattrs: true, depth: 1 }));
  return Array.from({ length: reader.count }, (_, index) => reader.entry(index));
}

/** Most steps write new files only: what is unchanged keeps a time from before the step, and where nothing has one the layers below are not opened. */
async function mayHoldUnchanged(fs: NativeFs, upper: number, startedNs: bigint): Promise<boolean> {
  const folders = [""];
  for (let glances = 0; folders.length > 0; glances++) {
    if (glances === GLANCES) return true;
    const folder = folders.pop() ?? "";
    const [, ...children] = await entriesOf(fs, upper, folder);
    for (const child of children) {
      if (child.mtimeNs <= startedNs) return true;
      const path = join(folder, child.path);
      if (isFolder(child) && Buffer.byteLength(path) <= MAX_PATH_BYTES) folders.push(path);
    }
  }
  return false;
}

/** Type and permissions, owner and time are the same. */
export function hasSameLook(one: Stat, other: Stat): boolean {
  return (
    one.mode === other.mode && one.uid === other.uid && one.gid === other.gid && one.mtimeNs === other.mtimeNs
  );
}

/** True when nothing is left in the folder. */
async function visit(roots: Roots, folder: string): Promise<boolean> {
  const { fs, upper, below } = roots;
  if (Buffer.byteLength(folder) > MAX_PATH_BYTES) return false;
  const [own, ...children] = await entriesOf(fs, upper, folder);
  if (own === undefined || children.length === 0) return true;
  const old = new Map((await entriesOf(fs, below, folder)).slice(1).map((entry) => [entry.path, entry]));
  const files: string[] = [];
  const dropped: string[] = [];
  for (const child of children) {
    const before = old.get(child.path);
    if (before === undefined) continue;
    const path = join(folder, child.path);
    if (isFolder(child)) {
      const isShared = isFolder(before) && !isOpaque(child);
      if (isShared && (await visit(roots, path)) && isAlike(child, before)) dropped.push(path);
    } else if (!isAlike(child, before)) continue;
    else if ((child.mode & S_IFMT) === S_IFREG) files.push(path);
    else if (child.target !== undefined && child.target === before.target) dropped.push(path);
  }
  dropped.push(...(await withSameContent(roots, files)));
  for (const path of dropped) fs.removeInRoot(upper, path);
  const at = folder === "" ? "." : folder;
  if (dropped.length > 0) fs.setTimesInRoot(upper, at, own.mtimeNs, own.mtimeNs);
  return dropped.length === children.length;
}

/** A file with several names that the step gave it is a change; those that it had before, overlayfs copies up one by one. */
function isAlike(child: TreeEntry, before: TreeEntry): boolean {
  return (
    hasSameLook(child, before) &&
    (isFolder(child) || (child.size === before.size && child.nlink === 1)) &&
    attributes(child) === attributes(before)
  );
}

function attributes({ xattrs }: TreeEntry): string {
  const counted = (xattrs ?? []).filter(({ name }) => isContentXattr(name));
  return counted
    .map(({ name, value }) => `${name}=${Buffer.from(value).toString("hex")}`)
    .toSorted()
    .join();
}

async function withSameContent({ fs, upper, below }: Roots, files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return [];
  const [now, before] = await Promise.all([fs.hashFiles(upper, files), fs.hashFiles(below, files)]);
  const hashOf = (hashes: Buffer, i: number) => hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  return files.filter((_, i) => hashOf(now, i).equals(hashOf(before, i)));
}
