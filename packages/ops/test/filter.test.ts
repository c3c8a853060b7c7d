import { expect, test } from "vitest";
import { visibilityOf } from "../src/content/filter.ts";

function visible(ignore: readonly string[], ...paths: string[]): string[] {
  const visibility = visibilityOf(ignore);
  return paths.filter((path) => visibility.visible(path.replace(/\/$/, ""), path.endsWith("/")));
}

test("what the ignore file leaves out, with all below", () => {
  expect(visible(["a", "*.o"], "", "a/", "a/b/", "a/b/c", "x.o", "x.c", "d/", "d/x.o")).toEqual([
    "",
    "x.c",
    "d/",
    "d/x.o",
  ]);
});

test("exceptions bring back, and need not be asked for in the order of a walk", () => {
  const ignore = ["a", "!a/b"];
  expect(visible(ignore, "a/b/c/d", "a/", "a/x", "a/b/", "a/b/c/")).toEqual(["a/b/c/d", "a/b/", "a/b/c/"]);
});

test("a pattern that is repeated after its exception, as BuildKit's walk judges it", () => {
  expect(visible(["a", "!a/b", "a"], "a/", "a/b", "a/c")).toEqual(["a/b"]);
});

test("more folders than are remembered", () => {
  const folders = Array.from({ length: 5000 }, (_, index) => `f${index}/x`);
  const twice = visible(["f7"], ...folders, ...folders);
  expect(twice).toHaveLength(2 * 4999);
});
