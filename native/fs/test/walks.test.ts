import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { encodeTreeOps, nativeFs, SAME_RECORD, type TreeOp, TreeReader } from "../src/index.ts";
import { failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

/** A tree of files, of folders (ending in `/`) and links (ending in `@`). */
function tree(paths: readonly string[]): string {
  const folder = temporaryFolder();
  for (const path of paths) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    if (path.endsWith("/")) mkdirSync(join(folder, path), { recursive: true });
    else if (path.endsWith("@")) symlinkSync("x", join(folder, path.slice(0, -1)));
    else writeFileSync(join(folder, path), "");
  }
  return folder;
}

async function walked(folder: string, path = ""): Promise<TreeReader> {
  return new TreeReader(await nativeFs.walk(openRoot(folder), path, { xattrs: true }));
}

async function pairsOf(before: TreeReader, after: TreeReader) {
  const pairs = await nativeFs.pairWalks(before.bytes, after.bytes);
  expect(pairs.length).toBe(after.count);
  return Array.from(pairs, (pair, index) => ({
    ...{ old: (pair & ~SAME_RECORD) - 1, index },
    same: (pair & SAME_RECORD) !== 0,
  })).filter(({ old }) => old >= 0);
}

const all = (reader: TreeReader) => Array.from({ length: reader.count }, (_, index) => reader.path(index));

describe("pairs of two walks", () => {
  it.each([
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
    // Of these, UTF-16 has another order than the bytes that a walk sorts by.
    [
      ["é/ü", "日/本", "\u{fffd}/x", "\u{1f600}/y"],
      ["é/ü", "日/x", "\u{fffd}/x", "\u{1f600}/y"],
    ],
    [[], ["a"]],
  ])("are the paths that %j and %j both have", async (left, right) => {
    const [before, after] = [await walked(tree(left)), await walked(tree(right))];
    const pairs = await pairsOf(before, after);
    for (const { old, index } of pairs) expect(before.path(old)).toBe(after.path(index));
    const both = all(after).filter((path) => all(before).includes(path));
    expect(pairs.map(({ index }) => after.path(index))).toEqual(both);
  });

  it("tell what nobody has touched", async () => {
    const folder = tree(["a/same", "a/written", "a/dated", "b/moded", "c/gone", "d/linked", "e/f/g"]);
    const before = await walked(folder);
    appendFileSync(join(folder, "a/written"), "more");
    utimesSync(join(folder, "a/dated"), 1, 1);
    chmodSync(join(folder, "b/moded"), 0o600);
    linkSync(join(folder, "d/linked"), join(folder, "c/new"));
    const after = await walked(folder);
    const pairs = await pairsOf(before, after);
    expect(pairs.filter(({ same }) => same).map(({ index }) => after.path(index))).toEqual([
      ...["", "a", "a/same", "b", "c/gone", "d", "e", "e/f", "e/f/g"],
    ]);
  });

  it("are refused of bytes that no walk has written", async () => {
    const { bytes } = await walked(tree(["a"]));
    for (const damaged of [Buffer.alloc(0), bytes.subarray(0, -8)])
      expect(await failureOf(() => nativeFs.pairWalks(damaged, bytes))).toMatchObject({ code: "EINVAL" });
  });
});

/** What the digest is made of, once more and in another language. */
function described(reader: TreeReader, index: number, hashes: Buffer, ownerless: boolean): Buffer {
  const framed = (text: string): string => `${text.length}:${text}`;
  const ids = ownerless ? "0:0" : `${reader.uid(index)}:${reader.gid(index)}`;
  const size = reader.isFile(index) ? reader.size(index) : 0;
  const target = reader.isSymlink(index) ? framed(reader.target(index)) : "-";
  const device = `${reader.rdevMajor(index)}:${reader.rdevMinor(index)}`;
  const parts: (string | Buffer)[] = [
    `e ${framed(reader.path(index))} ${reader.mode(index)} ${ids} ${size} ${target} ${device}\n`,
  ];
  if (reader.isFile(index)) parts.push(hashes.subarray(index * 32, (index + 1) * 32));
  for (const { name, value } of reader.xattrs(index))
    if (!name.startsWith("user.overlay.")) parts.push(`x ${framed(name)} ${value.length}:`, value);
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

const sha256 = (parts: readonly Buffer[]): string =>
  createHash("sha256").update(Buffer.concat(parts)).digest("hex");

async function digestOf(
  reader: TreeReader,
  more: { chosen?: Uint32Array; name?: string; ownerless?: boolean } = {},
) {
  const hashes = Buffer.from(Array.from({ length: reader.count * 32 }, (_, at) => (at * 7) % 251));
  const { name = "", ownerless = false, chosen = Uint32Array.from(all(reader).keys()) } = more;
  const found = await nativeFs.digestWalk(reader.bytes, { hashes, chosen, name, ownerless });
  return { ...found, hashes, all: found.all.toString("hex") };
}

/** Files with all that counts. */
async function oddTree(): Promise<string> {
  const folder = tree(["a/b/c/d", "a/z", "é/日/\u{1f600}", "empty/", "link@", "x".repeat(200)]);
  const node = { existing: "error", ...owner } as const;
  const note = (name: string) => ({ name, value: Buffer.from(`of ${name}`) });
  const xattrs = [note("user.note"), note("user.é"), note("user.overlay.origin")];
  const ops: TreeOp[] = [
    { type: "file", path: "noted", data: Buffer.from("1"), mode: 0o4711, xattrs, ...node },
    { type: "node", path: "a/fifo", kind: "fifo", major: 0, minor: 0, mode: 0o600, ...node },
    { type: "symlink", path: "a/b/link", target: "../é", ...node },
  ];
  await nativeFs.apply(openRoot(folder), -1, encodeTreeOps(ops), { hash: false });
  return folder;
}

describe("the digest of a walk", () => {
  test.each([true, false])("is of what counts, at the top and in all (ownerless: %s)", async (ownerless) => {
    const reader = await walked(await oddTree());
    const name = "the name é";
    const { all: digest, parts, hashes } = await digestOf(reader, { name, ownerless });
    const entries = all(reader).map((_, index) => described(reader, index, hashes, ownerless));
    expect(digest).toBe(sha256([Buffer.from(`root ${name.length}:${name} ${reader.count}\n`), ...entries]));
    const tops = all(reader).flatMap((path, index) => (path.includes("/") ? [] : [index]));
    expect(parts.map(({ index }) => index)).toEqual(tops);
    for (const { index, digest: part } of parts) {
      const own = index === 0 ? entries.slice(0, 1) : entries.slice(index, reader.end(index));
      expect(part.toString("hex"), reader.path(index)).toBe(sha256(own));
    }
  });

  it("is of chosen entries only, and not of times and inodes", async () => {
    const [one, other] = [await walked(tree(["a/b", "a/c", "d"])), await walked(tree(["a/b", "d"]))];
    const chosen = Uint32Array.from(all(one).keys()).filter((index) => one.path(index) !== "a/c");
    const hashes = (reader: TreeReader) => Buffer.alloc(reader.count * 32);
    const plain = { name: "", ownerless: true };
    const left = await nativeFs.digestWalk(one.bytes, { ...plain, chosen, hashes: hashes(one) });
    const whole = Uint32Array.from(all(other).keys());
    const right = await nativeFs.digestWalk(other.bytes, { ...plain, chosen: whole, hashes: hashes(other) });
    expect(left.all).toEqual(right.all);
    expect(left.parts.map(({ digest }) => digest)).toEqual(right.parts.map(({ digest }) => digest));
  });

  it("tells names apart that are no UTF-8", async () => {
    const named = async (name: string) => {
      const folder = temporaryFolder();
      const op = {
        type: "file",
        path: name,
        data: Buffer.alloc(0),
        mode: 0o644,
        existing: "error",
        ...owner,
      } as const;
      await nativeFs.apply(openRoot(folder), -1, encodeTreeOps([op]), { hash: false });
      return (await digestOf(await walked(folder), { ownerless: true })).all;
    };
    expect(await named("\udc80")).not.toBe(await named("\udc81"));
  });

  it("is refused of what does not fit", async () => {
    const { bytes, count } = await walked(tree(["a"]));
    const good = {
      hashes: Buffer.alloc(count * 32),
      chosen: Uint32Array.of(0, 1),
      name: "",
      ownerless: true,
    };
    for (const bad of [{ hashes: Buffer.alloc(32) }, { chosen: Uint32Array.of(count) }])
      expect(await failureOf(() => nativeFs.digestWalk(bytes, { ...good, ...bad }))).toMatchObject({
        code: "EINVAL",
      });
  });
});
