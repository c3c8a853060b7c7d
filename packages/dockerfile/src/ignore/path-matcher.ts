import { textError } from "../error.ts";
import { trimSpace } from "../space.ts";
import { cleanPath } from "./clean-path.ts";
import { parseGlob } from "./glob.ts";
import { PathPattern } from "./path-pattern.ts";
import type { FolderMatch, PathMatcher } from "./types.ts";

/**
 * Compiles ordered patterns: of an ignore file, or of COPY --exclude (FEATURES D106, D133). Throws TSB_DOCKERFILE
 * without a place on a malformed one.
 */
export function createMatcher(patterns: readonly string[]): PathMatcher {
  const compiled = patterns
    .map(trimSpace)
    .filter((pattern) => pattern !== "")
    .map(compilePattern);
  return new OrderedMatcher(compiled);
}

/** One pattern, cleaned and checked. */
export function compilePattern(pattern: string): PathPattern {
  const cleaned = cleanPath(pattern);
  const negated = cleaned.startsWith("!");
  const text = negated ? cleaned.slice(1) : cleaned;
  if (text === "") throw textError('"!" alone is no pattern', "write what is to be kept after it");
  // Malformed ones are found here. filepath.Match lets [z-a] pass, to match nothing; here it is an error.
  const hasEmptyRange = parseGlob(text).some(
    (item) => item.type === "class" && item.class.ranges.some(([low, high]) => low > high),
  );
  if (hasEmptyRange) throw textError(`malformed pattern ${JSON.stringify(text)}: a range runs backwards`);
  return new PathPattern(text, negated);
}

/** Which patterns match a folder or a parent of it; one byte each. */
type Matches = Uint8Array;

const MAX_FOLDERS = 4096;

class OrderedMatcher implements PathMatcher {
  readonly patterns: readonly PathPattern[];
  readonly hasNegations: boolean;
  /** Of folders that `matches` came through: paths come in the order of a walk. */
  readonly #folders = new Map<string, Matches>();
  #lastFolder: string | undefined;
  #lastParents: Matches | undefined;

  constructor(patterns: readonly PathPattern[]) {
    this.patterns = patterns;
    this.hasNegations = patterns.some((pattern) => pattern.negated);
  }

  get root(): FolderMatch {
    return new Folder(this.patterns, "", false, undefined);
  }

  matches(path: string): boolean {
    const slash = path.lastIndexOf("/");
    const parents = slash === -1 ? undefined : this.#parents(path.slice(0, slash + 1));
    let matched = false;
    for (let index = 0; index < this.patterns.length; index++) {
      const pattern = this.patterns[index]!;
      // A pattern that cannot change the verdict need not be looked at.
      if (pattern.negated !== matched) continue;
      if (parents?.[index] === 1 || pattern.matches(path)) matched = !matched;
    }
    return matched;
  }

  /** Of a path up to its last slash. The one asked for last is kept: the next path is mostly its sibling. */
  #parents(folder: string): Matches | undefined {
    if (folder !== this.#lastFolder) {
      this.#lastParents = this.#folder(cleanPath(folder));
      this.#lastFolder = folder;
    }
    return this.#lastParents;
  }

  #folder(folder: string): Matches | undefined {
    if (folder === ".") return undefined;
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const slash = folder.lastIndexOf("/");
    const parents = slash === -1 ? undefined : this.#folder(folder.slice(0, slash) || ".");
    const matches = Uint8Array.from(this.patterns, (pattern, index) =>
      parents?.[index] === 1 || pattern.matches(folder) ? 1 : 0,
    );
    if (this.#folders.size >= MAX_FOLDERS) this.#folders.clear();
    this.#folders.set(folder, matches);
    return matches;
  }
}

/**
 * A folder of a walk. `found` holds which patterns matched it or a parent, but only of those that were looked at:
 * a pattern that could not change the verdict on the parent is tried again below.
 */
class Folder implements FolderMatch {
  readonly matched: boolean;
  readonly #patterns: readonly PathPattern[];
  readonly #prefix: string;
  readonly #found: Matches | undefined;
  #prune: boolean | undefined;

  constructor(patterns: readonly PathPattern[], path: string, matched: boolean, found: Matches | undefined) {
    this.#patterns = patterns;
    this.#prefix = path === "" ? "" : `${path}/`;
    this.matched = matched;
    this.#found = found;
  }

  get prune(): boolean {
    this.#prune ??= this.matched && !this.#canBeUndone();
    return this.#prune;
  }

  file(name: string): boolean {
    return this.prune || this.#judge(this.#prefix + name, undefined);
  }

  folder(name: string): FolderMatch {
    const path = this.#prefix + name;
    const found = new Uint8Array(this.#patterns.length);
    const matched = this.#judge(path, found);
    return new Folder(this.#patterns, path, matched, found);
  }

  #judge(path: string, found: Matches | undefined): boolean {
    let matched = false;
    for (let index = 0; index < this.#patterns.length; index++) {
      const pattern = this.#patterns[index]!;
      const inherited = this.#found?.[index] === 1;
      if (!inherited && (pattern.negated !== matched || !pattern.matches(path))) continue;
      if (found !== undefined) found[index] = 1;
      matched = !pattern.negated;
    }
    return matched;
  }

  /** Only negated patterns after the last one that holds for the whole folder can bring something back. */
  #canBeUndone(): boolean {
    const folder = this.#prefix.slice(0, -1);
    for (let index = this.#patterns.length - 1; index >= 0; index--) {
      const pattern = this.#patterns[index]!;
      if (pattern.negated && pattern.canMatchBelow(folder)) return true;
      if (!pattern.negated && this.#found?.[index] === 1) return false;
    }
    return false;
  }
}
