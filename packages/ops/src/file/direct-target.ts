import { type NativeFs, type TreeOp, TreeReader } from "@tsbuild/native-fs";
import { isContentXattr } from "../content/digest.ts";
import { isFolder } from "../content/locate.ts";
import { applyAll, type CopyTarget } from "./apply.ts";
import { join, parentOf } from "./target.ts";

/** A folder that a copy goes into. */
export interface Place {
  /** The part that is there: a folder, no link on the way. "" is the root. */
  readonly existing: string;
  /** The part that has to be made, name by name. */
  readonly missing: readonly string[];
}

export function pathOf({ existing, missing }: Place): string {
  return missing.reduce(join, existing);
}

/**
 * The folder `path` in a root, whether it is there or not. Undefined when something else is in the way, or a link that leads nowhere.
 */
export function folderPlace(fs: NativeFs, root: number, path: string): Place | undefined {
  const names = path === "" ? [] : path.split("/");
  for (let there = names.length; there >= 0; there--) {
    const existing = fs.pathInRoot(root, names.slice(0, there).join("/"));
    if (existing === undefined) continue;
    const stat = fs.statInRoot(root, existing === "" ? "." : existing, false);
    if (stat === undefined || !isFolder(stat)) return undefined;
    const missing = names.slice(there);
    const [next] = missing;
    return next === undefined || isFree(fs, root, join(existing, next)) ? { existing, missing } : undefined;
  }
  return undefined;
}

/**
 * The same, when it is empty or not there yet: what is written to it is then the same whether it is written through an overlay or beside it.
 */
export function emptyPlace(fs: NativeFs, root: number, path: string): Place | undefined {
  const place = folderPlace(fs, root, path);
  if (place === undefined || place.missing.length > 0) return place;
  const { existing } = place;
  return fs.listInRoot(root, existing === "" ? "." : existing).length > 0 ? undefined : place;
}

/** Nothing is there, no link either. What `path` is in is a folder, or not there. */
export function isFree(fs: NativeFs, root: number, path: string): boolean {
  return fs.statInRoot(root, path, false) === undefined;
}

/** `a/b/c`: `a`, `a/b`, `a/b/c`. */
function prefixes(path: string): string[] {
  const found: string[] = [];
  for (let prefix = path; prefix !== ""; prefix = parentOf(prefix)) found.unshift(prefix);
  return found;
}

/** A folder of the tree below, as overlayfs copies it up. */
async function copiedUp(
  fs: NativeFs,
  below: number,
  path: string,
): Promise<TreeOp & { readonly mtimeNs: bigint }> {
  const entry = new TreeReader(await fs.walk(below, path, { xattrs: true, depth: 0 })).entry(0);
  const { uid, gid, mtimeNs } = entry;
  const xattrs = entry.xattrs?.filter(({ name }) => isContentXattr(name));
  return { type: "folder", path, existing: "error", mode: entry.mode & 0o7777, uid, gid, mtimeNs, xattrs };
}

/**
 * Makes a place in the folder of a new layer: the part that is there as it is below, the rest with `options`. Only the last of the folders that
 * were there gets a new time, by what is made in it.
 */
export async function makePlace(
  target: CopyTarget,
  below: number | undefined,
  place: Place,
  options: Omit<Parameters<NativeFs["mkdirInRoot"]>[2], "parents">,
): Promise<void> {
  const ops =
    below === undefined
      ? []
      : await Promise.all(prefixes(place.existing).map((path) => copiedUp(target.fs, below, path)));
  await applyAll(target, ops);
  if (place.missing.length > 0)
    target.fs.mkdirInRoot(target.root, pathOf(place), { ...options, parents: true });
  const times = ops
    .slice(0, -1)
    .map(({ path, mtimeNs }): TreeOp => ({ type: "times", path, mtimeNs, existing: "replace" }));
  await applyAll(target, times.reverse());
}
