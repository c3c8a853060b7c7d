import { createMatcher, type IgnorePattern } from "@tsbuild/dockerfile/patterns";

/** What a walk of a context need not look at; everything in it is ignored for certain. */
export interface Skip {
  /** From the walked folder. */
  readonly paths: readonly string[];
  /** Base names at any depth. */
  readonly names: readonly string[];
}

const WILDCARD = /[*?[\]\\]/;
const NOTHING: Skip = { paths: [], names: [] };

/** Might an exception bring back the path, something below it or (which brings it back as well, D133) something above it? */
function mayBringBack(exception: IgnorePattern, path: string): boolean {
  const known = path.split("/");
  for (const [i, element] of exception.text.split("/").entries()) {
    // From the first wildcard on, anything may match.
    if (i >= known.length || WILDCARD.test(element)) return true;
    if (element !== known[i]) return false;
  }
  return true;
}

/** Tells whether an exception may leave in something of what the ignore file leaves out: the folder at a path, or a part of it. */
export function exceptionsOf(ignore: readonly string[]): (path: string) => boolean {
  const exceptions = createMatcher(ignore).patterns.filter((pattern) => pattern.negated);
  return (path) => exceptions.some((exception) => mayBringBack(exception, path));
}

/**
 * Works out which parts of a context need no walk (D134): those that a plain path (`.git`) or a plain name (`**` + `/node_modules`) of the
 * ignore file matches and that no later exception can bring back. Whatever is not as plain is walked and filtered afterwards; so this
 * decides what a build costs, never what it copies. `base`: the walked folder's path in the context.
 */
export function skipOf(ignore: readonly string[], base: string): Skip {
  if (ignore.length === 0) return NOTHING;
  const { patterns } = createMatcher(ignore);
  const paths: string[] = [];
  const names: string[] = [];
  for (const [i, { text, negated }] of patterns.entries()) {
    if (negated) continue;
    const exceptions = patterns.slice(i + 1).filter((pattern) => pattern.negated);
    const name = text.startsWith("**/") ? text.slice("**/".length) : "";
    if (name !== "" && !name.includes("/") && !WILDCARD.test(name)) {
      if (exceptions.length === 0) names.push(name);
    } else if (!WILDCARD.test(text) && !exceptions.some((exception) => mayBringBack(exception, text))) {
      const below = belowBase(text, base);
      if (below !== undefined) paths.push(below);
    }
  }
  return { paths, names };
}

function belowBase(path: string, base: string): string | undefined {
  if (base === "") return path;
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}
