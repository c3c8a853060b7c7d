import { createMatcher } from "@tsbuild/dockerfile";
import { describe, expect, test } from "vitest";
import { skipOf } from "../src/content/skip.ts";

describe("what a walk of a context leaves out", () => {
  test.each([
    ["plain paths", [".git", "a/b", "./c/"], [".git", "a/b", "c"], []],
    ["plain names", ["**/node_modules", "**/.cache"], [], ["node_modules", ".cache"]],
    ["nothing with wildcards", ["*.log", "a/*", "**/x*", "**/a/b", "**"], [], []],
    ["what exceptions before it cannot bring back", ["!a/b", "a", "!**/x", "**/x"], [], ["x"]],
    ["not what an exception is below, at or above", ["a", "b", "c/d", "!a/x", "!b", "!c"], [], []],
    ["not where an exception has a wildcard on the way", ["a", "b/c", "!a*", "!b/**/x"], [], []],
    ["no names before any exception", ["**/node_modules", "!build/keep"], [], []],
    [
      "paths beside exceptions",
      [".git", "build", "!build/keep", "vendor", "!README.md"],
      [".git", "vendor"],
      [],
    ],
  ])("%s", (_name, ignore, paths, names) => {
    expect(skipOf(ignore, "")).toEqual({ paths, names });
  });

  test("paths are from the walked folder", () => {
    expect(skipOf(["p/a/b", "p", "q/a", "**/n"], "p")).toEqual({ paths: ["a/b"], names: ["n"] });
  });

  test("all that is left out is ignored, whatever the patterns are", () => {
    const texts = ["a", "b", "a/b", "**/a", "**/b", "*", "a/*", "**/a/b", "b/a", "?", "a/**"];
    const patterns = texts.flatMap((text) => [text, `!${text}`]);
    const elements = ["a", "b", "c"];
    const names = elements.flatMap((x) => [
      x,
      ...elements.flatMap((y) => [`${x}/${y}`, ...elements.map((z) => `${x}/${y}/${z}`)]),
    ]);
    let checked = 0;
    for (const first of patterns)
      for (const second of patterns)
        for (const third of patterns) {
          const ignore = [first, second, third];
          const skip = skipOf(ignore, "");
          if (skip.paths.length + skip.names.length === 0) continue;
          const matcher = createMatcher(ignore);
          for (const path of names) {
            const below = (folder: string) => path === folder || path.startsWith(`${folder}/`);
            const left = skip.paths.some(below) || path.split("/").some((name) => skip.names.includes(name));
            if (!left) continue;
            checked++;
            if (!matcher.matches(path)) expect.fail(`${JSON.stringify(ignore)} leaves out ${path}`);
          }
        }
    expect(checked).toBeGreaterThan(10_000);
  });
});
