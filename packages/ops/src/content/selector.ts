import { type Digest, sha256Fields } from "@tsbuild/base";
import type { CopyAction } from "@tsbuild/llb";

/** Which part of an input an op looks at (V010, V014). */
export interface Selector {
  /** Path from the input's root; `/` is all of it. */
  readonly path: string;
  /** The path may hold `*`, `?`, `[…]` per element (D105). */
  readonly wildcard: boolean;
  /** A symbolic link named by the path (or matched) stands for what it points at (D102). */
  readonly follow: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Nothing matched is no error. */
  readonly optional: boolean;
  /** Paths from the input's root that must be there, whatever the patterns match (D107). They decide no digest: without them there is none. */
  readonly required?: readonly string[] | undefined;
}

/** The selector of a COPY or ADD. */
export function selectorOfCopy(action: CopyAction): Selector {
  return {
    path: action.src,
    wildcard: action.allowWildcard,
    follow: action.followSymlink,
    include: action.includePatterns,
    exclude: action.excludePatterns,
    optional: action.allowWildcard && action.allowEmptyWildcard,
    required: action.requiredPaths,
  };
}

/** The selector of a bind mount's `source=` (D077). */
export function selectorOfMount(path: string): Selector {
  return {
    path: path === "" ? "/" : path,
    wildcard: false,
    follow: true,
    include: [],
    exclude: [],
    optional: false,
  };
}

/** Names a list of selectors in links, memos and indexes: every field that decides what is digested. */
export function selectorKey(selectors: readonly Selector[]): Digest {
  return sha256Fields(
    selectors.flatMap((s) => [
      s.path,
      `${Number(s.wildcard)}${Number(s.follow)}${Number(s.optional)}`,
      String(s.include.length),
      ...s.include,
      String(s.exclude.length),
      ...s.exclude,
    ]),
  );
}
