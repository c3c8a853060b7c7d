import { createMatcher, type PathMatcher } from "@tsbuild/dockerfile/patterns";
import type { TreeEntry } from "@tsbuild/native-fs";
import { isFolder, type Located } from "./locate.ts";
import type { Selector } from "./selector.ts";

/**
 * Says which paths of a context its ignore file leaves in. A folder that is excluded still has to be visible when an
 * exception (`!`) may bring back something below it (D134).
 */
export interface Visibility {
  /** Is the entry itself part of the context? */
  readonly visible: (path: string, folder: boolean) => boolean;
  readonly everything: boolean;
}

export const allVisible: Visibility = { visible: () => true, everything: true };

export function visibilityOf(ignore: readonly string[]): Visibility {
  if (ignore.length === 0) return allVisible;
  const matcher = createMatcher(ignore);
  return { visible: (path) => path === "" || !matcher.matches(path), everything: false };
}

interface Filters {
  readonly include: PathMatcher | undefined;
  readonly exclude: PathMatcher | undefined;
}

/** Relative to what the patterns of --exclude and --parents are: the source; for a single file, its name (D106). */
function patternPath(located: Located, entry: TreeEntry): string {
  if (entry.path !== "") return entry.path;
  return isFolder(located.stat) ? "" : located.asked.slice(located.asked.lastIndexOf("/") + 1);
}

/**
 * The entries of a walk that a selector takes, in the order of the walk. Folders that match nothing themselves are
 * kept only as parents of what does.
 */
export function filterEntries(
  located: Located,
  entries: readonly TreeEntry[],
  selector: Selector,
  visibility: Visibility,
): readonly TreeEntry[] {
  if (visibility.everything && selector.include.length === 0 && selector.exclude.length === 0) return entries;
  const filters: Filters = {
    include: selector.include.length > 0 ? createMatcher(selector.include) : undefined,
    exclude: selector.exclude.length > 0 ? createMatcher(selector.exclude) : undefined,
  };
  const whole = (entry: TreeEntry): string =>
    entry.path === "" ? located.path : located.path === "" ? entry.path : `${located.path}/${entry.path}`;
  const taken = (entry: TreeEntry): boolean => {
    if (!visibility.visible(whole(entry), isFolder(entry))) return false;
    const path = patternPath(located, entry);
    if (path === "") return true;
    if (filters.include !== undefined && !filters.include.matches(path)) return false;
    return filters.exclude === undefined || !filters.exclude.matches(path);
  };
  return withParents(entries, taken, filters.include !== undefined);
}

/** Entries for which `taken` holds and the folders above them. With `lazyFolders`, a folder needs a reason to be there. */
function withParents(
  entries: readonly TreeEntry[],
  taken: (entry: TreeEntry) => boolean,
  lazyFolders: boolean,
): TreeEntry[] {
  const kept: TreeEntry[] = [];
  // Folders on the way to the current entry that were not kept yet; flushed when something below them is.
  const pending: TreeEntry[] = [];
  for (const entry of entries) {
    while (pending.length > 0 && !isBelow(entry.path, pending[pending.length - 1]?.path ?? "")) pending.pop();
    if (!taken(entry)) {
      if (isFolder(entry)) pending.push(entry);
      continue;
    }
    if (lazyFolders && entry.path === "" && isFolder(entry)) {
      pending.push(entry);
      continue;
    }
    kept.push(...pending.splice(0), entry);
  }
  return kept;
}

function isBelow(path: string, folder: string): boolean {
  return folder === "" ? path !== "" : path.startsWith(`${folder}/`);
}
