import { createMatcher, type FolderMatch, type PathMatcher } from "@tsbuild/dockerfile/patterns";
import type { TreeReader } from "@tsbuild/native-fs";
import { isFolder, type Located, rootPath } from "./locate.ts";
import type { Selector } from "./selector.ts";
import type { Visible } from "./shown.ts";

/**
 * Says which paths of a context its ignore file leaves in. A folder that is excluded still has to be visible when an
 * exception (`!`) may bring back something below it (D134).
 */
export interface Visibility {
  /** Is the entry itself part of the context? */
  readonly visible: Visible;
  readonly everything: boolean;
}

export const allVisible: Visibility = { visible: () => true, everything: true };

export function visibilityOf(ignore: readonly string[]): Visibility {
  if (ignore.length === 0) return allVisible;
  const folders = new FolderMatches(createMatcher(ignore));
  return { visible: (path, folder) => path === "" || !folders.matched(path, folder), everything: false };
}

/** Folders that are remembered; a walk comes through them one after the other. */
const MAX_FOLDERS = 4096;

/**
 * Judges paths as a walk from the root does, which is how BuildKit's local source reads a context: by what each folder
 * on the way was found to be. `matches(path)` asks all patterns about all parents anew, which differs for a pattern
 * that is repeated after its exception (`a`, `!a/b`, `a`: the walk keeps `a/b`). Takes no longer than that.
 */
class FolderMatches {
  readonly #root: FolderMatch;
  readonly #known = new Map<string, FolderMatch>();
  #lastPath = "";
  #last: FolderMatch;

  constructor(matcher: PathMatcher) {
    this.#root = matcher.root;
    this.#last = this.#root;
  }

  matched(path: string, folder: boolean): boolean {
    if (folder) return this.#folder(path).matched;
    const slash = path.lastIndexOf("/");
    return this.#folder(path.slice(0, Math.max(slash, 0))).file(path.slice(slash + 1));
  }

  /** The one asked for last is kept at hand: the next path is mostly its sibling. */
  #folder(path: string): FolderMatch {
    if (path === "") return this.#root;
    if (path === this.#lastPath) return this.#last;
    let match = this.#known.get(path);
    if (match === undefined) {
      const slash = path.lastIndexOf("/");
      match = this.#folder(path.slice(0, Math.max(slash, 0))).folder(path.slice(slash + 1));
      if (this.#known.size >= MAX_FOLDERS) this.#known.clear();
      this.#known.set(path, match);
    }
    this.#lastPath = path;
    this.#last = match;
    return match;
  }
}

interface Filters {
  readonly include: PathMatcher | undefined;
  readonly exclude: PathMatcher | undefined;
}

/** Relative to what the patterns of --exclude and --parents are: the source; for a single file, its name (D106). */
function patternPath(located: Located, path: string): string {
  if (path !== "") return path;
  return isFolder(located.stat) ? "" : located.asked.slice(located.asked.lastIndexOf("/") + 1);
}

/**
 * The entries of a walk that a selector takes, as ascending indexes. Folders that match nothing themselves are
 * kept only as parents of what does.
 */
export function filterEntries(
  located: Located,
  reader: TreeReader,
  selector: Selector,
  visibility: Visibility,
): Uint32Array {
  if (visibility.everything && selector.include.length === 0 && selector.exclude.length === 0) {
    return Uint32Array.from({ length: reader.count }, (_, index) => index);
  }
  const filters: Filters = {
    include: selector.include.length > 0 ? createMatcher(selector.include) : undefined,
    exclude: selector.exclude.length > 0 ? createMatcher(selector.exclude) : undefined,
  };
  const taken = (index: number): boolean => {
    const relative = reader.path(index);
    if (!visibility.visible(rootPath(located, relative), reader.isFolder(index))) return false;
    const path = patternPath(located, relative);
    if (path === "") return true;
    if (filters.include !== undefined && !filters.include.matches(path)) return false;
    return filters.exclude === undefined || !filters.exclude.matches(path);
  };
  return withParents(reader, taken, filters.include !== undefined);
}

/** Entries for which `taken` holds and the folders above them. With `lazyFolders`, the root needs a reason to be there. */
function withParents(
  reader: TreeReader,
  taken: (index: number) => boolean,
  lazyFolders: boolean,
): Uint32Array {
  const kept: number[] = [];
  // Folders on the way to the current entry that were not kept yet; flushed when something below them is.
  const pending: number[] = [];
  for (let index = 0; index < reader.count; index++) {
    while (pending.length > 0 && index >= reader.end(pending[pending.length - 1] as number)) pending.pop();
    const waits = !taken(index) || (lazyFolders && index === 0 && reader.isFolder(index));
    if (!waits) kept.push(...pending.splice(0), index);
    else if (reader.isFolder(index)) pending.push(index);
  }
  return Uint32Array.from(kept);
}
