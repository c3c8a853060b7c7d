import { execFileSync } from "node:child_process";
import {
  chmodSync,
  constants,
  linkSync,
  mkdirSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { expect, test } from "vitest";
import { decodeTree, nativeFs, TreeReader } from "../src/index.ts";
import { entriesBelow, failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

function makeTree(): string {
  const folder = temporaryFolder();
  for (const path of ["b", "b/sub", "a.d", "a", "empty"]) mkdirSync(`${folder}/${path}`);
  for (const path of ["b/2", "b/10", "b/sub/deep", "a.d/x", "a/x", "Z"])
    writeFileSync(`${folder}/${path}`, path);
  symlinkSync("../nowhere", `${folder}/b/link`);
  return folder;
}

test("visits depth first, names in byte order within each folder", async () => {
  const root = openRoot(makeTree());
  expect((await entriesBelow(root)).map((entry) => entry.path)).toEqual([
    "",
    "Z",
    ...["a", "a/x"],
    ...["a.d", "a.d/x"],
    ...["b", "b/10", "b/2", "b/link", "b/sub", "b/sub/deep"],
    "empty",
  ]);
});

test("tells what lstat tells", async () => {
  const folder = makeTree();
  chmodSync(`${folder}/Z`, 0o4751);
  linkSync(`${folder}/Z`, `${folder}/b/same`);
  nativeFs.setTimesInRoot(openRoot(folder), "Z", 1n, -1_500_000_000n);
  const root = openRoot(folder);
  for (const entry of await entriesBelow(root)) {
    const { path, target, ...stat } = entry;
    expect(stat).toEqual(nativeFs.statInRoot(root, path, false));
    expect(target).toBe(path === "b/link" ? "../nowhere" : undefined);
  }
  const file = (await entriesBelow(root)).find((entry) => entry.path === "Z")!;
  expect(file).toMatchObject({ mode: 0o104751, nlink: 2, size: 1, mtimeNs: -1_500_000_000n, ...owner });
});

test("an unchanged tree gives the same bytes; each change gives others", async () => {
  const folder = makeTree();
  const root = openRoot(folder);
  const walk = () => nativeFs.walk(root, "", { xattrs: true });
  let before = await walk();
  // Reading changes access times only, which are left out.
  execFileSync("cat", [`${folder}/b/2`, `${folder}/b/sub/deep`]);
  expect((await walk()).equals(before)).toBe(true);
  const changes = [
    () => chmodSync(`${folder}/Z`, 0o600),
    () => writeFileSync(`${folder}/a/x`, "other"),
    () => writeFileSync(`${folder}/empty/new`, ""),
    () => symlinkSync("elsewhere", `${folder}/a/link`),
    () => mkdirSync(`${folder}/b/folder`),
    () => rmdirSync(`${folder}/b/folder`),
    () => utimesSync(`${folder}/Z`, 1, 1),
  ];
  for (const change of changes) {
    change();
    const after = await walk();
    expect(after.equals(before), String(change)).toBe(false);
    before = after;
  }
});

test("starts at a folder, a file or a link, and looks as deep as asked", async () => {
  const root = openRoot(makeTree());
  const paths = async (path: string, depth?: number) => {
    const options = depth === undefined ? { xattrs: false } : { xattrs: false, depth };
    return [...decodeTree(await nativeFs.walk(root, path, options))].map((entry) => entry.path);
  };
  expect(await paths("b")).toEqual(["", "10", "2", "link", "sub", "sub/deep"]);
  expect(await paths("/b/")).toEqual(await paths("b"));
  expect(await paths("b", 1)).toEqual(["", "10", "2", "link", "sub"]);
  expect(await paths("b", 0)).toEqual([""]);
  expect(await paths("b/2")).toEqual([""]);
  const [link] = await entriesBelow(root, "b/link");
  expect(link).toMatchObject({ path: "", target: "../nowhere" });
});

test("a reader reaches any entry without reading the others", async () => {
  const root = openRoot(makeTree());
  const buffer = await nativeFs.walk(root, "", { xattrs: false });
  const reader = new TreeReader(buffer);
  const entries = [...decodeTree(buffer)];
  expect(reader.count).toBe(entries.length);
  for (let index = reader.count - 1; index >= 0; index--) {
    expect(reader.entry(index)).toEqual(entries[index]);
    expect(reader.path(index).split("/").at(-1)).toBe(reader.name(index));
  }
  const indexOf = (path: string) => entries.findIndex((entry) => entry.path === path);
  expect(reader.parent(0)).toBe(-1);
  expect(reader.parent(indexOf("b/sub/deep"))).toBe(indexOf("b/sub"));
  expect(reader.end(0)).toBe(reader.count);
  expect(reader.end(indexOf("b"))).toBe(indexOf("empty"));
  expect(reader.end(indexOf("b/2"))).toBe(indexOf("b/2") + 1);
  expect(reader.isSymlink(indexOf("b/link"))).toBe(true);
  expect(() => reader.name(reader.count)).toThrow(RangeError);
});

test("a reader refuses what is not a whole walk", async () => {
  const root = openRoot(makeTree());
  const buffer = await nativeFs.walk(root, "", { xattrs: false });
  expect(() => new TreeReader(Buffer.from("TSBWALK0........"))).toThrow(TypeError);
  expect(() => new TreeReader(Buffer.concat([buffer, Buffer.alloc(8)]))).toThrow(TypeError);
  // Buffers that come from a pool start at any byte.
  const moved = Buffer.concat([Buffer.alloc(3), buffer]).subarray(3);
  expect([...decodeTree(moved)]).toEqual([...decodeTree(buffer)]);
});

test("trees ten thousand deep are walked, read and removed", async () => {
  const folder = temporaryFolder();
  const root = openRoot(folder);
  const depth = 10_000;
  mkdirSync(`${folder}/chain`);
  makeDeep(openRoot(`${folder}/chain`), depth);
  const reader = new TreeReader(await nativeFs.walk(root, "chain", { xattrs: true }));
  expect(reader.count).toBe(depth + 1);
  const last = reader.path(depth);
  expect(last).toBe(Array(depth).fill("d").join("/"));
  expect(nativeFs.statInRoot(root, `chain/${last}`, false)?.nlink).toBe(2);
  const failure = await failureOf(() => nativeFs.statInRoot(root, `chain/../chain/${last}`, false));
  expect(failure).toMatchObject({ code: "ENAMETOOLONG" });
  expect(nativeFs.removeInRoot(root, "chain")).toBe(true);
  expect(nativeFs.listInRoot(root, "")).toEqual([]);
}, 300_000);

/** A chain of folders longer than any path may be, made piece by piece. */
function makeDeep(root: number, depth: number): void {
  const options = { parents: true, mode: 0o755, ...owner };
  let folder = nativeFs.openInRoot(root, "", constants.O_DIRECTORY, 0);
  for (let made = 0; made < depth; made += 500) {
    const piece = Array(500).fill("d").join("/");
    nativeFs.mkdirInRoot(folder, piece, options);
    const next = nativeFs.openInRoot(folder, piece, constants.O_DIRECTORY, 0);
    nativeFs.close(folder);
    folder = next;
  }
  nativeFs.close(folder);
}

test("walking while others create and remove ends well", async () => {
  const folder = temporaryFolder();
  const root = openRoot(folder);
  for (let i = 0; i < 50; i++) mkdirSync(`${folder}/stable${i}`);
  const walks = Array.from({ length: 30 }, () => nativeFs.walk(root, "", { xattrs: true }));
  for (let i = 0; i < 300; i++) {
    mkdirSync(`${folder}/stable${i % 50}/come`);
    rmdirSync(`${folder}/stable${i % 50}/come`);
  }
  for (const buffer of await Promise.all(walks)) {
    const stable = [...decodeTree(buffer)].filter((entry) => /^stable\d+$/.test(entry.path));
    expect(stable).toHaveLength(50);
  }
});

test("a folder that may not be read is named in the error", async () => {
  const folder = makeTree();
  const root = openRoot(folder);
  expect(await failureOf(() => nativeFs.walk(root, "none/such", { xattrs: false }))).toMatchObject({
    code: "ENOENT",
    path: "none",
  });
  expect(await failureOf(() => nativeFs.walk(root, "gone", { xattrs: false }))).toMatchObject({
    code: "ENOENT",
    syscall: "statx",
    path: "gone",
    message: "ENOENT: statx 'gone'",
  });
});

test("leaves out paths and names, with what is below", async () => {
  const folder = makeTree();
  for (const path of ["b/a", "a/b", "a/b/a"]) mkdirSync(`${folder}/${path}`);
  const root = openRoot(folder);
  const paths = async (path: string, skip: { paths: string[]; names: string[] }) =>
    [...decodeTree(await nativeFs.walk(root, path, { xattrs: false, skip }))].map((entry) => entry.path);
  expect(await paths("", { paths: ["b", "a/b/a", "a.d/x", "", "/a", "a/", "x"], names: [] })).toEqual([
    ...["", "Z", "a", "a/b", "a/x", "a.d", "empty"],
  ]);
  expect(await paths("", { paths: [], names: ["a", "sub", "10"] })).toEqual([
    ...["", "Z", "a.d", "a.d/x", "b", "b/2", "b/link", "empty"],
  ]);
  // From the start on; the start itself is always there.
  expect(await paths("b", { paths: ["sub", "b/2"], names: ["b", "10"] })).toEqual(["", "2", "a", "link"]);
  expect(await paths("", { paths: ["b", "b/sub"], names: ["a", "a.d"] })).toEqual(["", "Z", "empty"]);
});
