import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { nativeFs } from "../src/index.ts";
import { openRoot, temporaryFolder } from "./fixture.ts";

function makeTree(): string {
  const folder = temporaryFolder();
  mkdirSync(`${folder}/a/b/${"deep/".repeat(40)}`, { recursive: true });
  writeFileSync(`${folder}/a/file`, Buffer.alloc(10_000));
  writeFileSync(`${folder}/a/b/twice`, Buffer.alloc(50_000));
  linkSync(`${folder}/a/b/twice`, `${folder}/again`);
  symlinkSync("/", `${folder}/a/root`);
  writeFileSync(`${folder}/holes`, "");
  truncateSync(`${folder}/holes`, 1e9);
  return folder;
}

test("a tree takes what du says, files with several names once", async () => {
  const folder = makeTree();
  const expected = Number(execFileSync("du", ["-s", "-B1", folder], { encoding: "utf8" }).split("\t")[0]);
  const root = openRoot(folder);
  const seen = new Set<number>();
  expect(await nativeFs.diskUsage(root, seen)).toBe(expected);
  const { ino, blocks } = statSync(`${folder}/again`);
  expect([...seen]).toEqual([ino]);
  // It was counted: another tree with it does not take it again.
  expect(await nativeFs.diskUsage(root, seen)).toBe(expected - blocks * 512);
});

test("nothing is asked of what is no folder", async () => {
  await expect(nativeFs.diskUsage(-1, new Set())).rejects.toMatchObject({ code: "EBADF" });
});
