import { createHash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nativeFs, TreeReader, TWIN, type WalkedFiles } from "../src/index.ts";
import { failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

const FILES = ["a", "dir/b", "dir/deep/c", "dir/deep/d", "z"];

/** A source with some files, walked; and an empty destination with its folders. */
async function world(from = "") {
  const source = temporaryFolder();
  const target = temporaryFolder();
  const base = join(source, from);
  for (const folder of ["dir/deep"]) {
    mkdirSync(join(base, folder), { recursive: true });
    mkdirSync(join(target, "to", folder), { recursive: true });
  }
  for (const file of FILES) {
    writeFileSync(join(base, file), `content of ${file}`);
    utimesSync(join(base, file), 1_700_000_000, 1_700_000_000.5);
  }
  const [sourceRoot, root] = [openRoot(source), openRoot(target)];
  const walk = await nativeFs.walk(sourceRoot, from, { xattrs: true });
  const reader = new TreeReader(walk);
  const files = [...Array(reader.count).keys()].filter((index) => reader.isFile(index));
  const hashes = Buffer.alloc(reader.count * 32);
  for (const index of files) {
    const content = readFileSync(join(base, reader.path(index)));
    createHash("sha256")
      .update(content)
      .digest()
      .copy(hashes, index * 32);
  }
  const picks = (bits: (path: string) => number) =>
    Uint32Array.from(files.flatMap((index) => [index, bits(reader.path(index))]));
  const request = (more: Partial<WalkedFiles> = {}): WalkedFiles => ({
    ...{ walk, hashes, from, to: "to", existing: "copy", picks: picks(() => 0o640), owner },
    ...more,
  });
  return { source: base, target: join(target, "to"), roots: { root, source: sourceRoot }, picks, request };
}

const contents = (folder: string) => FILES.map((file) => readFileSync(join(folder, file), "utf8"));

test.each(["", "below/it"])(
  "files of a tree are copied with what the walk and the picks say (from %j)",
  async (from) => {
    const { target, roots, request } = await world(from);
    const umask = process.umask(0o077);
    await nativeFs.copyFiles(roots, request()).finally(() => process.umask(umask));
    expect(contents(target)).toEqual(FILES.map((file) => `content of ${file}`));
    const { mode, mtimeMs, uid } = statSync(join(target, "dir/deep/d"));
    expect([mode & 0o7777, mtimeMs, uid]).toEqual([0o640, 1_700_000_000_500, owner.uid]);
  },
);

test("set-id bits, a time for all, files that are replaced", async () => {
  const { target, roots, picks, request } = await world();
  writeFileSync(join(target, "a"), "old");
  symlinkSync("nowhere", join(target, "z"));
  await nativeFs.copyFiles(roots, request({ picks: picks(() => 0o6755), mtimeNs: 1_000_000_000n }));
  const { mode, mtimeMs } = statSync(join(target, "z"));
  expect([mode & 0o7777, mtimeMs]).toEqual([0o6755, 1000]);
  expect(contents(target)).toEqual(FILES.map((file) => `content of ${file}`));
});

test("a folder in the way is an error for COPY, and replaced where that is asked for", async () => {
  const { target, roots, request } = await world();
  mkdirSync(join(target, "z"));
  expect(await failureOf(() => nativeFs.copyFiles(roots, request()))).toMatchObject({
    code: "EISDIR",
    index: 4,
  });
  await nativeFs.copyFiles(roots, request({ existing: "replace" }));
  expect(readFileSync(join(target, "z"), "utf8")).toBe("content of z");
});

test("a file that is not what it must hash to stops the copy and is named by its pick", async () => {
  const { source, roots, request } = await world();
  writeFileSync(join(source, "dir/deep/c"), "content of e");
  expect(await failureOf(() => nativeFs.copyFiles(roots, request()))).toMatchObject({
    code: "ESTALE",
    index: 2,
  });
  await nativeFs.copyFiles(roots, request({ hashes: undefined, existing: "replace" }));
});

test("a link that took a file's place is not followed", async () => {
  const { source, roots, request } = await world();
  rmSync(join(source, "a"));
  symlinkSync("/etc/passwd", join(source, "a"));
  expect(await failureOf(() => nativeFs.copyFiles(roots, request()))).toMatchObject({
    code: "ELOOP",
    index: 0,
  });
});

test("twins are linked; those that are gone or cannot be linked are copied", async () => {
  const { source, target, roots, picks, request } = await world();
  const old = temporaryFolder();
  mkdirSync(join(old, "to/dir/deep"), { recursive: true });
  for (const file of ["a", "dir/deep/c", "z"]) linkSync(join(source, file), join(old, "to", file));
  rmSync(join(old, "to/z"));
  mkdirSync(join(old, "to/z"));
  writeFileSync(join(target, "a"), "in the way");
  const twins = picks((path) => (path === "dir/deep/d" ? 0o644 : 0o644 + TWIN));
  await nativeFs.copyFiles({ ...roots, twins: openRoot(old) }, request({ picks: twins }));
  expect(contents(target)).toEqual(FILES.map((file) => `content of ${file}`));
  const inode = (folder: string, file: string) => statSync(join(folder, file)).ino;
  const linked = FILES.filter((file) => inode(source, file) === inode(target, file));
  expect(linked).toEqual(["a", "dir/deep/c"]);
});

test("bytes that no walk has written are refused", async () => {
  const { roots, request } = await world();
  const good = request();
  const cut = (length: number) => good.walk.subarray(0, length);
  const bad = Buffer.from(good.walk);
  bad.writeUInt32LE(0xffff_fff8, 16);
  const wrong: Partial<WalkedFiles>[] = [
    { walk: Buffer.alloc(0) },
    { walk: cut(16) },
    { walk: cut(good.walk.length - 8) },
    { walk: bad },
    { picks: Uint32Array.of(0, 0) },
    { picks: Uint32Array.of(99, 0) },
    { picks: Uint32Array.of(1) },
    { hashes: Buffer.alloc(32) },
  ];
  for (const more of wrong) {
    const failure = await failureOf(() => nativeFs.copyFiles(roots, { ...good, ...more }));
    expect(failure, JSON.stringify(Object.keys(more))).toMatchObject({ code: "EINVAL" });
  }
});
