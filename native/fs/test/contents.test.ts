import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { nativeFs } from "../src/index.ts";
import { failureOf, openRoot, temporaryFolder } from "./fixture.ts";

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest();

/** More files than one thread takes. */
function makeFiles(count: number): {
  readonly path: string;
  readonly paths: string[];
  readonly data: Buffer[];
} {
  const path = temporaryFolder();
  const data = Array.from({ length: count }, (_, index) => randomBytes(index * 3));
  const paths = data.map((_, index) => `d${index % 7}/f${index}`);
  for (let folder = 0; folder < 7; folder++) mkdirSync(`${path}/d${folder}`);
  for (const [index, name] of paths.entries()) writeFileSync(`${path}/${name}`, data[index]!);
  return { path, paths, data };
}

test("digests are those of node:crypto, in the order of the paths", async () => {
  const { path, paths, data } = makeFiles(500);
  const root = openRoot(path);
  expect((await nativeFs.hashFiles(root, paths)).equals(Buffer.concat(data.map(sha256)))).toBe(true);
  expect((await nativeFs.hashFiles(root, [`/${paths[9]}`])).equals(sha256(data[9]!))).toBe(true);
  expect(await nativeFs.hashFiles(root, [])).toHaveLength(0);
});

test("large files are hashed in pieces", async () => {
  const path = temporaryFolder();
  const data = randomBytes(5_000_000);
  writeFileSync(`${path}/large`, data);
  expect((await nativeFs.hashFiles(openRoot(path), ["large"])).equals(sha256(data))).toBe(true);
});

test("contents come back in the order of the paths, empty ones too", async () => {
  const { path, paths, data } = makeFiles(300);
  const root = openRoot(path);
  const contents = await nativeFs.readFiles(root, paths, 900);
  expect(contents).toHaveLength(data.length);
  expect(contents.every((content, index) => content.equals(data[index]!))).toBe(true);
  expect(await nativeFs.readFiles(root, [], 1)).toEqual([]);
});

test("an error has the index in the whole list, whichever thread met it", async () => {
  const { path, paths } = makeFiles(400);
  const root = openRoot(path);
  for (const at of [0, 150, 399]) {
    const broken = paths.with(at, "d0/none");
    const expected = { code: "ENOENT", index: at, path: "d0/none", syscall: "openat" };
    expect(await failureOf(() => nativeFs.hashFiles(root, broken))).toMatchObject(expected);
    expect(await failureOf(() => nativeFs.readFiles(root, broken, 2000))).toMatchObject(expected);
  }
  expect(await failureOf(() => nativeFs.readFiles(root, paths, 600))).toMatchObject({
    code: "EFBIG",
    index: 201,
  });
});

test("no link is followed, at the end or on the way", async () => {
  const { path } = makeFiles(10);
  symlinkSync("d0", `${path}/link`);
  symlinkSync("d0/f0", `${path}/filelink`);
  const root = openRoot(path);
  for (const name of ["link/f0", "filelink"]) {
    expect(await failureOf(() => nativeFs.hashFiles(root, [name]))).toMatchObject({
      code: "ELOOP",
      path: expect.any(String),
    });
    expect(await failureOf(() => nativeFs.readFiles(root, [name], 10))).toMatchObject({ code: "ELOOP" });
  }
  expect(await failureOf(() => nativeFs.hashFiles(root, ["d0"]))).toMatchObject({
    code: "EINVAL",
    syscall: "fstat",
  });
});

test("a root may be closed while a batch on it is under way", async () => {
  const { path, paths, data } = makeFiles(200);
  const root = nativeFs.openFolder(path);
  const digests = nativeFs.hashFiles(root, paths);
  nativeFs.close(root);
  expect((await digests).equals(Buffer.concat(data.map(sha256)))).toBe(true);
});
