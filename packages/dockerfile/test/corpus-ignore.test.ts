import { TsbuildError } from "@tsbuild/base";
import { createMatcher, type FolderMatch, parseIgnoreFile } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";
import { corpusTable, corpusText, differences, hasCorpus, Tally } from "./corpus.ts";

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

describe.skipIf(!hasCorpus)("corpus of ignore patterns", () => {
  it("matches as dockerignore.tsv expects", () => {
    const tally = new Tally("ignore");
    for (const { id, patterns, path, result } of corpusTable("dockerignore.tsv")) {
      const got = verdict(JSON.parse(patterns!) as string[], JSON.parse(path!) as string);
      const expected = result!.startsWith("error") ? "error" : result === "true";
      tally.add(id!, differences(expected, got, `${patterns} ${path}`));
    }
    expect(tally.finish()).toBe("");
  });

  it("reads ignore files and keeps of a tree what dockerignore-files.json expects", () => {
    const tally = new Tally("ignore files");
    const cases = JSON.parse(corpusText("dockerignore-files.json")) as IgnoreCase[];
    for (const [index, item] of cases.entries()) {
      if (item.ignorefile === undefined) continue;
      const patterns = parseIgnoreFile(item.ignorefile);
      const found = differences(item.patterns, patterns, "patterns");
      if (item.error !== undefined) found.push(...differences("error", verdict(patterns, "x"), "verdict"));
      // Which parts of a context are asked for is the business of the local source.
      if (item.tree !== undefined && item.include === undefined && item.follow === undefined) {
        const paths = item.tree.map((path) => path.split(" -> ")[0]!);
        found.push(
          ...differences(
            [...item.kept!].sort(),
            walk(paths, createMatcher(patterns).root, "").sort(),
            "kept",
          ),
        );
      }
      tally.add(`${index}`, found);
    }
    expect(tally.finish()).toBe("");
  });
});
