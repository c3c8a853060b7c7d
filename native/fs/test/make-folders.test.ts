import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolders } from "../src/index.ts";

describe("makeFolders", () => {
  let top = "";
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "tsbuild-folders-"));
  });
  afterEach(() => rmSync(top, { recursive: true, force: true }));

  test("makes what is missing, and leaves what is there", () => {
    makeFolders(join(top, "a/b"), 0o700);
    makeFolders(join(top, "a/b/c/d"), 0o755);
    expect(
      [statSync(join(top, "a/b")), statSync(join(top, "a/b/c/d"))].map(({ mode }) => mode & 0o777),
    ).toEqual([0o700, 0o755]);
    symlinkSync("a", join(top, "link"));
    makeFolders(join(top, "link/b/e"));
    makeFolders(join(top, "link"));
    expect(existsSync(join(top, "a/b/e"))).toBe(true);
  });

  test.each(["/proc/tsbuild", "/proc/tsbuild/a/b"])("ends where nothing can be made: %s", (path) => {
    expect(() => makeFolders(path)).toThrow(/ENOENT.*\/proc\/tsbuild/);
  });

  test("a file in the way, and a link to nothing, are errors", () => {
    writeFileSync(join(top, "file"), "");
    symlinkSync("nothing", join(top, "dangling"));
    expect(() => makeFolders(join(top, "file"))).toThrow(/EEXIST/);
    expect(() => makeFolders(join(top, "file/a/b"))).toThrow(/ENOTDIR/);
    expect(() => makeFolders(join(top, "dangling"))).toThrow(/EEXIST/);
  });
});
