import { TsbuildError } from "@tsbuild/base";
import { createMatcher, type FolderMatch, parseIgnoreFile } from "@tsbuild/dockerfile";
import type { Corpus } from "./corpus.ts";
import { differences } from "./differences.ts";
import type { Tally } from "./tally.ts";

interface IgnoreCase {
  readonly ignorefile?: string;
  readonly include?: readonly string[];
  readonly follow?: readonly string[];
  readonly patterns?: readonly string[];
  readonly error?: string;
  readonly tree?: readonly string[];
  readonly kept?: readonly string[];
}

function verdict(patterns: readonly string[], path: string): boolean | "error" {
  try {
    return createMatcher(patterns).matches(path);
  } catch (error) {
    if (error instanceof TsbuildError) return "error";
    throw error;
  }
}

/** A walk as a local source does it: excluded folders are left out unless something in them is kept. */
function walk(paths: readonly string[], folder: FolderMatch, prefix: string): string[] {
  const kept: string[] = [];
  const names = new Set(
    paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split("/")[0]!),
  );
  for (const name of [...names].filter((item) => item !== "").sort()) {
    const isFolder = paths.some((path) => path.startsWith(`${prefix}${name}/`));
    if (!isFolder) {
      if (!folder.file(name)) kept.push(prefix + name);
      continue;
    }
    const inner = folder.folder(name);
    const below = inner.prune ? [] : walk(paths, inner, `${prefix}${name}/`);
    if (!inner.matched || below.length > 0) kept.push(`${prefix}${name}/`, ...below);
  }
  return kept;
}

/** Files that a pattern takes, itself or by a folder above, and the folders on the way to them. */
function included(include: readonly string[], kept: readonly string[]): string[] {
  const matcher = createMatcher(include);
  const files = kept.filter((path) => !path.endsWith("/") && matcher.matches(path));
  return kept.filter(
    (path) => files.includes(path) || files.some((file) => path.endsWith("/") && file.startsWith(path)),
  );
}

function fileDifferences(item: IgnoreCase): string[] {
  const patterns = parseIgnoreFile(item.ignorefile ?? "");
  const found = item.ignorefile === undefined ? [] : differences(item.patterns, patterns, "patterns");
  if (item.error !== undefined) found.push(...differences("error", verdict(patterns, "x"), "verdict"));
  if (item.tree === undefined) return found;
  const paths = item.tree.map((path) => path.split(" -> ")[0]!);
  const walked = walk(paths, createMatcher(patterns).root, "");
  const kept = (item.include === undefined ? walked : included(item.include, walked)).sort();
  return [...found, ...differences([...item.kept!].sort(), kept, "kept")];
}

/** Patterns (dockerignore.tsv, by id) and whole ignore files (dockerignore-files.json, `file:N`). */
export function compareIgnore(corpus: Corpus, tally: Tally): void {
  for (const { id, patterns, path, result } of corpus.table("dockerignore.tsv")) {
    const got = verdict(JSON.parse(patterns!) as string[], JSON.parse(path!) as string);
    const expected = result!.startsWith("error") ? "error" : result === "true";
    tally.count("ignore", id!, differences(expected, got, `${patterns} ${path}`));
  }
  if (!corpus.has("dockerignore-files.json")) return;
  for (const [index, item] of (corpus.json("dockerignore-files.json") as IgnoreCase[]).entries()) {
    // Which paths of a context are sent with the links that they lead through: nothing is sent here, contexts are read in place.
    if (item.follow !== undefined) continue;
    tally.count("ignore", `file:${index}`, fileDifferences(item));
  }
}
