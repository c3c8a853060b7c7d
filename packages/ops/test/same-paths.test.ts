import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { nativeFs, TreeReader } from "@tsbuild/native-fs";
import { expect, onTestFinished, test } from "vitest";
import { samePaths } from "../src/content/same-paths.ts";

/** A tree of files, of folders (ending in `/`) and links (ending in `@`), walked. */
async function walked(paths: readonly string[]): Promise<TreeReader> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-paths-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const path of paths) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    if (path.endsWith("/")) mkdirSync(join(folder, path), { recursive: true });
    else if (path.endsWith("@")) symlinkSync("x", join(folder, path.slice(0, -1)));
    else writeFileSync(join(folder, path), "");
  }
  const root = nativeFs.openFolder(folder);
  onTestFinished(() => nativeFs.close(root));
  return new TreeReader(await nativeFs.walk(root, "", { xattrs: false }));
}

test.each([
  [
    ["a", "b/c", "b/d", "e"],
    ["a", "b/c", "b/d", "e"],
  ],
  [
    ["a", "b/c"],
    ["b/c", "b/d", "z"],
  ],
  [
    ["a/x", "b/x"],
    ["b/x", "c/x"],
  ],
  [["a/b/c/d"], ["a/b/c/d", "a/b/x"]],
  [
    ["a-b", "a/b", "a.b"],
    ["a/b", "a-b"],
  ],
  // A folder, a file and a link of one name.
  [
    ["a/b", "c", "d/e"],
    ["a", "c/b", "d@"],
  ],
  [
    ["a/", "b/"],
    ["a/", "b"],
  ],
  [
    ["é/ü", "日/本"],
    ["é/ü", "日/x"],
  ],
  [[], ["a"]],
])("paths that %j and %j both have", async (left, right) => {
  const [before, after] = [await walked(left), await walked(right)];
  const all = (reader: TreeReader) => Array.from({ length: reader.count }, (_, i) => reader.path(i));
  const pairs = [...samePaths(before, after)];
  for (const [old, index] of pairs) expect(before.path(old)).toBe(after.path(index));
  const both = all(before).filter((path) => all(after).includes(path));
  expect(pairs.map(([old]) => before.path(old))).toEqual(both);
});
