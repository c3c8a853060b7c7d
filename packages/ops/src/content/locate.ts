import { matchGlob } from "@tsbuild/dockerfile/patterns";
import type { NativeFs, Stat } from "@tsbuild/native-fs";
import type { SourceTree } from "../tree.ts";
import { explainUnreadable } from "./changed.ts";
import { missingPath } from "./missing.ts";
import type { Selector } from "./selector.ts";
import { Shown, type Visible } from "./shown.ts";

/** A path that a selector stands for. */
export interface Located {
  /** Path as asked for or matched, without leading slash; "" is the root. */
  readonly asked: string;
  /** The same with every link resolved. */
  readonly path: string;
  readonly stat: Stat;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export function isFolder(stat: Stat): boolean {
  return (stat.mode & S_IFMT) === S_IFDIR;
}

/** `/a/../b//c/` to `b/c`: the root cannot be left (D093). */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

function locateOne(fs: NativeFs, root: number, asked: string, follow: boolean): Located | undefined {
  if (follow) {
    const path = fs.pathInRoot(root, asked);
    const stat = path === undefined ? undefined : fs.statInRoot(root, path === "" ? "." : path, false);
    return path === undefined || stat === undefined ? undefined : { asked, path, stat };
  }
  const slash = asked.lastIndexOf("/");
  const parent = fs.pathInRoot(root, slash < 0 ? "" : asked.slice(0, slash));
  if (parent === undefined) return undefined;
  const name = asked.slice(slash + 1);
  const path = parent === "" || name === "" ? parent + name : `${parent}/${name}`;
  const stat = fs.statInRoot(root, path === "" ? "." : path, false);
  return stat === undefined ? undefined : { asked, path, stat };
}

export const WILDCARD = /[*?[\\]/;

/** `a/[bc]/d`: `a`, the part that has to be there however little the pattern matches. */
function literalPart(pattern: string): string {
  const elements = pattern.split("/");
  return elements
    .slice(
      0,
      elements.findIndex((element) => WILDCARD.test(element)),
    )
    .join("/");
}

/**
 * Paths that match a pattern, one element at a time, in byte order. From the first wildcard on, names are those that a walk comes by:
 * it does not go through links (`[l]ink/f` finds nothing), as a folder named literally does.
 */
function expand(fs: NativeFs, root: number, pattern: string): string[] {
  let found = [""];
  let isWalk = false;
  for (const element of pattern.split("/")) {
    const isWildcard = WILDCARD.test(element);
    found = found.flatMap((base) => {
      const join = (name: string): string => (base === "" ? name : `${base}/${name}`);
      if (!isWildcard && !isWalk) return [join(element)];
      const stat = fs.statInRoot(root, base === "" ? "." : base, !isWalk);
      if (stat === undefined || !isFolder(stat)) return [];
      if (!isWildcard) return [join(element)];
      return fs
        .listInRoot(root, base === "" ? "." : base)
        .filter((name) => matchGlob(element, name))
        .map(join);
    });
    isWalk ||= isWildcard;
  }
  return found;
}

/**
 * The paths that a selector names. `visible` says whether a path is part of the tree at all (the ignore file).
 * Throws TSB_CONTEXT when a path that must exist does not (D105).
 */
export function locate(fs: NativeFs, tree: SourceTree, selector: Selector, visible: Visible): Located[] {
  try {
    return locateAll(fs, tree, selector, visible);
  } catch (error) {
    throw explainUnreadable(tree, error);
  }
}

function locateAll(...[fs, tree, selector, visible]: Parameters<typeof locate>): Located[] {
  const shown = new Shown(fs, tree, visible);
  for (const path of selector.required ?? []) {
    const stat = fs.statInRoot(tree.root, cleanPath(path), false);
    if (stat === undefined || !shown.is(cleanPath(path), isFolder(stat)))
      throw missingPath({ fs, tree, path, visible });
  }
  const cleaned = cleanPath(selector.path);
  const glob = selector.wildcard && WILDCARD.test(cleaned);
  const asked = glob ? expand(fs, tree.root, cleaned) : [cleaned];
  const found = asked
    .map((path) => locateOne(fs, tree.root, path, selector.follow))
    .filter((located) => located !== undefined)
    .filter(
      ({ asked, path, stat }) =>
        shown.is(path, isFolder(stat)) && (asked === path || shown.is(asked, isFolder(stat))),
    );
  if (found.length > 0) return found;
  if (!glob || !selector.optional) throw missingPath({ fs, tree, path: selector.path, visible });
  // No match is fine (D105); below a folder that is not there it is a mistake.
  const folder = locateOne(fs, tree.root, literalPart(cleaned), true);
  if (folder === undefined || !shown.is(folder.path, isFolder(folder.stat)))
    throw missingPath({ fs, tree, path: selector.path, visible });
  return found;
}

/** Path of an entry from the root of the tree: `path` is relative to the located source. */
export function rootPath(located: Pick<Located, "path">, path: string): string {
  if (path === "") return located.path;
  return located.path === "" ? path : `${located.path}/${path}`;
}
