import { TsbuildError } from "@tsbuild/base";
import { createMatcher, type FolderMatch, matchGlob, parseIgnoreFile } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

function enter(patterns: readonly string[], path: string): FolderMatch {
  let folder = createMatcher(patterns).root;
  for (const name of path.split("/")) folder = folder.folder(name);
  return folder;
}

describe("folders of a walk", () => {
  it.each<[patterns: string[], folder: string, matched: boolean, prune: boolean]>([
    [["node_modules"], "node_modules", true, true],
    [["node_modules"], "node_modules/a/b", true, true],
    [["node_modules"], "src", false, false],
    [["dir", "!dir/keep"], "dir", true, false],
    [["dir", "!dir/keep"], "dir/other", true, true],
    [["dir", "!dir/keep"], "dir/keep", false, false],
    [["dir", "!other/keep"], "dir", true, true],
    // A negation that comes first is overruled whatever it matches.
    [["!dir/keep", "dir"], "dir", true, true],
    [["*", "!src/*/keep"], "lib", true, true],
    [["*", "!src/*/keep"], "src", true, false],
    [["*", "!src/*/keep"], "src/a", true, false],
    [["*", "!src/*/keep"], "src/a/b", true, true],
    [["*", "!**/keep"], "any/where", true, false],
    [["*", "!a/**/z"], "a/b/c", true, false],
    [["*", "!a/**/z"], "b", true, true],
    [["*", "!src/[a-c]*"], "src", true, false],
    [["*", "!sr?/x"], "srcs", true, true],
    [["*", "!src/gen**"], "src/other", true, true],
    [["*", "!src/gen**"], "src/generated", false, false],
  ])("%j %s", (patterns, path, matched, prune) => {
    const folder = enter(patterns, path);
    expect({ matched: folder.matched, prune: folder.prune }).toEqual({ matched, prune });
  });

  it("never prune what a path below would bring back", () => {
    const patterns = [
      "*",
      "a",
      "!a/b",
      "a/b/c",
      "!a/b/c/d",
      "x/**",
      "!**/keep",
      "!x/y*/z",
      "q*",
      "!q/[a-c]/?",
    ];
    const paths = [
      "a/b/c/d/e",
      "a/b/x",
      "a/keep/1",
      "x/y1/z/2",
      "x/y/w",
      "q/a/1",
      "q/d/1",
      "r/s/keep",
      "r/s/t",
    ];
    const matcher = createMatcher(patterns);
    for (const path of paths) {
      const names = path.split("/");
      let folder = matcher.root;
      let pruned = false;
      for (const name of names.slice(0, -1)) {
        folder = folder.folder(name);
        pruned ||= folder.prune;
      }
      expect([path, pruned || folder.file(names.at(-1)!)]).toEqual([path, matcher.matches(path)]);
    }
  });
});

describe("patterns", () => {
  it("with many wildcards match as those with few", () => {
    const matcher = createMatcher(["**/a*/**/b*c/*.t?t"]);
    expect(matcher.matches("x/ab/y/z/bc/1.txt")).toBe(true);
    expect(matcher.matches("a/b-c/.tat")).toBe(true);
    expect(matcher.matches("a/b/c/1.txt")).toBe(false);
    expect(matcher.matches("xa/bc/1.txt")).toBe(false);
  });

  it("that make backtracking engines run for ever end soon", () => {
    expect(createMatcher([`**/${"*a".repeat(30)}b`]).matches("a".repeat(4000))).toBe(false);
    expect(matchGlob(`${"*a".repeat(30)}b`, "a".repeat(4000))).toBe(false);
  });

  it.each(["[", "a[]b", "a\\", "[a", "[-]", "!", "[z-a]"])("%s is malformed", (pattern) => {
    expect(() => createMatcher([pattern])).toThrow(TsbuildError);
  });

  it("match many paths quickly", () => {
    const patterns = [
      ".git",
      "**/node_modules",
      "**/*.log",
      "dist/**",
      "!dist/keep",
      "docs/*.md",
      "tmp?",
      "*.bak",
    ];
    const paths = Array.from(
      { length: 50_000 },
      (_, i) => `packages/p${i % 100}/src/d${i % 1000}/file${i}.ts`,
    );
    const matcher = createMatcher(patterns);
    expect(paths.filter((path) => matcher.matches(path))).toEqual([]);
  });
});

describe("ignore files", () => {
  it("name the line of a malformed pattern", () => {
    const text = "# fine\na\n[b\n";
    expect(parseIgnoreFile(text)).toEqual(["a", "[b"]);
    expect(() => parseIgnoreFile(text, { file: ".dockerignore" })).toThrow(
      expect.objectContaining({ source: expect.objectContaining({ ranges: [{ start: 3, end: 3 }] }) }),
    );
  });
});

describe("matchGlob", () => {
  it.each<[string, string, boolean]>([
    ["*.ts", "a.ts", true],
    ["*.ts", "dir/a.ts", false],
    ["a?c", "abc", true],
    ["[^a-c]x", "dx", true],
    ["[^a-c]x", "bx", false],
    ["\\*", "*", true],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYb", false],
    ["", "", true],
    ["*", "", true],
    ["?", "💥", true],
  ])("%s %s", (pattern, name, expected) => {
    expect(matchGlob(pattern, name)).toBe(expected);
  });
});
