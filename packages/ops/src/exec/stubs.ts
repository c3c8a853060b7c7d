import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { NativeFs, Stat } from "@tsbuild/native-fs";
import { cleanPath, isFolder } from "../content/locate.ts";
import { folderAt, followDestination, parentOf } from "../file/target.ts";
import { hasSameLook } from "../unchanged.ts";

/** A place inside the root that something is mounted on. */
export interface MountPoint {
  readonly path: string;
  readonly type: "folder" | "file";
}

interface Touched {
  readonly path: string;
  readonly mtimeNs: bigint;
}

/** What was made only to hang mounts on (D084). */
export interface Stubs {
  /** Outermost first. */
  readonly made: readonly MountPoint[];
  /** Folders that existed and in which something was made, with their times before. */
  readonly touched: readonly Touched[];
  /** What was moved away for the step and is back: it is no change, though the layer takes it for one. */
  readonly restored?: readonly string[] | undefined;
}

function isEmpty(fs: NativeFs, root: number, stub: MountPoint): boolean {
  if (stub.type === "folder") return fs.listInRoot(root, stub.path).length === 0;
  return fs.statInRoot(root, stub.path, false)?.size === 0;
}

/** Creates the mount points that the root lacks. Links in the image are followed within it. */
export function makeStubs(fs: NativeFs, root: number, points: readonly MountPoint[]): Stubs {
  const made: MountPoint[] = [];
  const touched: Touched[] = [];
  for (const point of points) {
    const existing = kindBehind(fs, root, cleanPath(point.path));
    if (existing !== undefined) {
      checkKind(point, existing);
      continue;
    }
    const path = followDestination(fs, root, cleanPath(point.path));
    const parent = noteParent(fs, root, path, touched);
    const folder = point.type === "folder" ? path : parentOf(path);
    const options = { mode: 0o755, uid: 0, gid: 0, parents: true };
    const folders = folder === parent ? [] : fs.mkdirInRoot(root, folder, options);
    made.push(...folders.map((one) => ({ path: cleanPath(one), type: "folder" as const })));
    if (point.type === "file") {
      fs.writeFileInRoot(root, path, new Uint8Array(), { mode: 0o644, uid: 0, gid: 0 });
      made.push({ path, type: "file" });
    }
  }
  return { made, touched };
}

/** As `folderAt`; what cannot be followed is not there. */
function kindBehind(fs: NativeFs, root: number, path: string): boolean | undefined {
  try {
    return folderAt(fs, root, path);
  } catch (error) {
    if (errnoCode(error) === "ENOTDIR" || errnoCode(error) === "ELOOP") return undefined;
    throw error;
  }
}

function checkKind(point: MountPoint, folder: boolean): void {
  if ((point.type === "folder") === folder) return;
  const has = folder ? "a folder" : "a file";
  throw new TsbuildError(
    "TSB_EXEC",
    `cannot mount a ${point.type} on ${JSON.stringify(point.path)}: the image has ${has} there`,
    {
      hint: "choose another target for the mount",
    },
  );
}

/** Remembers the time of the nearest folder that exists above `path`; returns it. */
function noteParent(fs: NativeFs, root: number, path: string, touched: Touched[]): string {
  let parent = parentOf(path);
  let stat: Stat | undefined;
  for (;;) {
    stat = fs.statInRoot(root, parent === "" ? "." : parent, true);
    if (stat !== undefined || parent === "") break;
    parent = parentOf(parent);
  }
  // By its real path: what links on the way say after the step is the step's.
  const real = fs.pathInRoot(root, parent) ?? parent;
  if (stat !== undefined && !touched.some((one) => one.path === real))
    touched.push({ path: real, mtimeNs: stat.mtimeNs });
  return parent;
}

/** Removes the stubs that are still empty and gives the folders that held them their times back. */
export function removeStubs(fs: NativeFs, root: number, stubs: Stubs): void {
  for (const stub of stubs.made.toReversed()) {
    const stat = fs.statInRoot(root, stub.path, false);
    // The step may have replaced or filled it: then it belongs to the step.
    if (stat === undefined || isFolder(stat) !== (stub.type === "folder") || !isEmpty(fs, root, stub))
      continue;
    fs.removeInRoot(root, stub.path);
  }
  for (const { path, mtimeNs } of stubs.touched) {
    const at = path === "" ? "." : path;
    if (fs.statInRoot(root, at, true) !== undefined) fs.setTimesInRoot(root, at, mtimeNs, mtimeNs);
  }
}

/**
 * Making a stub copied the folders above it up into the layer. Those that are empty there and look as they do below say nothing: they
 * are taken out, so that a step that writes nothing has an empty layer. Only when the overlay is not mounted any more. The layer holds
 * what the step left, links to anywhere in place of folders included: each layer is a root, and nothing outside of it is touched.
 */
export function dropCopiedFolders(
  fs: NativeFs,
  { upper, lowers }: { readonly upper: string; readonly lowers: readonly string[] },
  stubs: Stubs,
): void {
  if (stubs.touched.length === 0) return;
  const root = fs.openFolder(upper);
  try {
    for (const path of stubs.restored ?? []) dropRestored(fs, { root, lowers }, path);
    for (const { path } of stubs.touched) {
      for (let folder = path; folder !== ""; folder = parentOf(folder)) {
        if (!dropIfUnchanged(fs, { root, lowers }, folder)) break;
      }
    }
  } finally {
    fs.close(root);
  }
}

function dropRestored(
  fs: NativeFs,
  layer: { readonly root: number; readonly lowers: readonly string[] },
  path: string,
): void {
  const own = statPlain(fs, layer.root, path);
  if (own === undefined) return;
  const parent = parentOf(path) || ".";
  const timeNs = statPlain(fs, layer.root, parent)?.mtimeNs;
  if (isFolder(own)) dropIfUnchanged(fs, layer, path);
  else fs.removeInRoot(layer.root, path);
  if (timeNs !== undefined) fs.setTimesInRoot(layer.root, parent, timeNs, timeNs);
}

function dropIfUnchanged(
  fs: NativeFs,
  { root, lowers }: { readonly root: number; readonly lowers: readonly string[] },
  folder: string,
): boolean {
  const own = statPlain(fs, root, folder);
  if (own === undefined || !isFolder(own) || fs.listInRoot(root, folder).length > 0) return false;
  const below = statBelow(fs, lowers, folder);
  return below !== undefined && hasSameLook(own, below) && fs.removeInRoot(root, folder);
}

/** What the topmost of the layers below that has `path` has there. */
function statBelow(fs: NativeFs, lowers: readonly string[], path: string): Stat | undefined {
  for (const lower of lowers) {
    const root = fs.openFolder(lower);
    try {
      const stat = statPlain(fs, root, path);
      if (stat !== undefined) return stat;
    } finally {
      fs.close(root);
    }
  }
  return undefined;
}

/** A file in place of a folder above `path` means that there is nothing. */
function statPlain(fs: NativeFs, root: number, path: string): Stat | undefined {
  try {
    return fs.statInRoot(root, path, false);
  } catch (error) {
    if (errnoCode(error) === "ENOTDIR" || errnoCode(error) === "ELOOP") return undefined;
    throw error;
  }
}
