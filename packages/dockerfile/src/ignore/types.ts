/** One line of an ignore file, ready to match. */
export interface IgnorePattern {
  /** Cleaned, without `!`. */
  readonly text: string;
  readonly negated: boolean;
}

/** What a walker needs to know of a folder (FEATURES D134). */
export interface FolderMatch {
  /** The folder itself is matched (excluded, when the patterns are those of an ignore file). */
  readonly matched: boolean;
  /** Matched, and no negated pattern can match below: nothing in it needs to be looked at. */
  readonly prune: boolean;
  /** Whether the entry `name` in this folder is matched (for anything that is not descended into). */
  file(name: string): boolean;
  /** The subfolder `name`; its match includes what its parents matched. */
  folder(name: string): FolderMatch;
}

/** Ordered patterns of moby's patternmatcher; later ones win (FEATURES D133). */
export interface PathMatcher {
  readonly patterns: readonly IgnorePattern[];
  readonly hasNegations: boolean;
  /** True when the slash-separated relative path or a parent of it is matched. */
  matches(path: string): boolean;
  /**
   * The root of a walk: quicker than `matches`, as folders are looked at once. It judges by what each folder on the
   * way was found to be; `matches` looks at all parents anew, which differs for a pattern that is repeated after
   * its negation (`a`, `!a/b`, `a`: the walk keeps `a/b`).
   */
  readonly root: FolderMatch;
}
