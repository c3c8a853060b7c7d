import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Existing, encodeTreeOps, nativeFs, type TreeOp, TreeOpBatch } from "../src/index.ts";
import { applyOps, entriesBelow, entryAt, failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

const file = (path: string, text: string, more: Partial<TreeOp> = {}): TreeOp =>
  ({
    type: "file",
    path,
    data: Buffer.from(text),
    existing: "error",
    mode: 0o644,
    ...owner,
    ...more,
  }) as TreeOp;
const folder = (path: string, existing: Existing = "error", more: object = {}): TreeOp => ({
  ...{ type: "folder", path, existing, mode: 0o755, ...owner },
  ...more,
});
const text = (root: number, path: string) => nativeFs.readFileInRoot(root, path, 1000)?.toString();
const shape = async (root: number) =>
  (await entriesBelow(root)).slice(1).map((entry) => `${entry.path} ${(entry.mode >> 12).toString(8)}`);

test("each type of op makes what it says, with exact metadata under any umask", async () => {
  const path = temporaryFolder();
  const root = openRoot(path);
  const node = { existing: "error", ...owner, mtimeNs: 1_700_000_000_123_456_789n } as const;
  const umask = process.umask(0o077);
  try {
    await applyOps(
      root,
      { type: "folder", path: "dir", mode: 0o1777, ...node },
      { type: "file", path: "dir/setuid", data: Buffer.from("#!"), mode: 0o6755, ...node },
      { type: "symlink", path: "dir/link", target: "../nowhere", ...node },
      { type: "hardlink", path: "dir/same", to: "/dir/setuid", existing: "error" },
      { type: "hardlink", path: "dir/samelink", to: "dir/link", existing: "error" },
      { type: "node", path: "fifo", kind: "fifo", major: 0, minor: 0, mode: 0o622, ...node },
      { type: "node", path: "socket", kind: "socket", major: 0, minor: 0, mode: 0o777, ...node },
      { type: "times", path: "dir", mtimeNs: -1n, existing: "replace" },
      { type: "times", path: "dir/link", mtimeNs: 7n, existing: "replace" },
    );
  } finally {
    process.umask(umask);
  }
  const made = Object.fromEntries((await entriesBelow(root)).map((entry) => [entry.path, entry]));
  const { mtimeNs } = node;
  expect(made["dir"]).toMatchObject({ mode: 0o041777, mtimeNs: -1n, ...owner });
  expect(made["dir/setuid"]).toMatchObject({ mode: 0o106755, mtimeNs, nlink: 2, size: 2 });
  expect(made["dir/same"]?.ino).toBe(made["dir/setuid"]?.ino);
  expect(made["dir/link"]).toMatchObject({ target: "../nowhere", mtimeNs: 7n, nlink: 2 });
  expect(made["dir/samelink"]?.ino).toBe(made["dir/link"]?.ino);
  expect(made["fifo"]).toMatchObject({ mode: 0o010622, mtimeNs });
  expect(made["socket"]).toMatchObject({ mode: 0o140777, mtimeNs });
});

describe("what is already there", () => {
  /** A root with one of each: folder with content, file, link to a folder. */
  function makeRoot(): { readonly path: string; readonly root: number } {
    const path = temporaryFolder();
    mkdirSync(`${path}/folder/sub`, { recursive: true });
    writeFileSync(`${path}/folder/sub/file`, "old");
    chmodSync(`${path}/folder`, 0o700);
    writeFileSync(`${path}/file`, "old");
    symlinkSync("folder", `${path}/link`);
    return { path, root: openRoot(path) };
  }
  const entries = ["folder", "file", "link"] as const;
  type Outcome = "made" | "kept" | string;

  const forFolders: readonly (readonly [Existing, (typeof entries)[number], Outcome])[] = [
    ["error", "folder", "EEXIST"],
    ["error", "file", "EEXIST"],
    ["error", "link", "EEXIST"],
    ["replace", "folder", "made"],
    ["replace", "file", "made"],
    ["replace", "link", "made"],
    ["copy", "folder", "made"],
    ["copy", "file", "ENOTDIR"],
    ["copy", "link", "ENOTDIR"],
    ["keep", "folder", "kept"],
    ["keep", "file", "ENOTDIR"],
    ["keep", "link", "ENOTDIR"],
  ];
  test.each(forFolders)("%s: a folder where a %s is: %s", async (existing, at, outcome) => {
    const { root } = makeRoot();
    const run = () => applyOps(root, folder(at, existing, { mode: 0o751 }));
    if (outcome !== "made" && outcome !== "kept") {
      expect(await failureOf(run)).toMatchObject({ code: outcome, path: at, index: 0 });
      return;
    }
    await run();
    expect((await entryAt(root, at)).mode).toBe(outcome === "made" ? 0o040751 : 0o040700);
    // A folder stays the same folder, with what is in it.
    expect(text(root, "folder/sub/file")).toBe("old");
    expect(nativeFs.listInRoot(root, at)).toEqual(at === "folder" ? ["sub"] : []);
  });

  const makers: readonly (readonly [string, (at: string, existing: Existing) => TreeOp, number])[] = [
    ["file", (path, existing) => file(path, "new", { existing }), 0o10],
    [
      "copy",
      (path, existing) => ({ ...file(path, "", { existing }), type: "copy", from: "source" }) as TreeOp,
      0o10,
    ],
    ["symlink", (path, existing) => ({ type: "symlink", path, target: "t", existing, ...owner }), 0o12],
    ["hardlink", (path, existing) => ({ type: "hardlink", path, to: "source", existing }), 0o10],
    [
      "fifo",
      (path, existing) => ({
        type: "node",
        kind: "fifo",
        major: 0,
        minor: 0,
        path,
        existing,
        mode: 0o600,
        ...owner,
      }),
      0o01,
    ],
  ];
  const rules = {
    error: ["EEXIST", "EEXIST", "EEXIST"],
    replace: ["made", "made", "made"],
    copy: ["EISDIR", "made", "made"],
  } as const;
  const cases = makers.flatMap(([name, make, type]) =>
    (["error", "replace", "copy"] as const).flatMap((existing) =>
      entries.map((at, index) => [existing, name, at, rules[existing][index]!, make, type] as const),
    ),
  );
  test.each(cases)("%s: a %s where a %s is: %s", async (existing, _name, at, outcome, make, type) => {
    const { path, root } = makeRoot();
    writeFileSync(`${path}/source`, "new");
    const run = () => nativeFs.apply(root, root, encodeTreeOps([make(at, existing)]), { hash: false });
    if (outcome !== "made") {
      expect(await failureOf(run)).toMatchObject({ code: outcome, path: at, index: 0 });
      expect(text(root, "folder/sub/file")).toBe("old");
      expect(text(root, "file")).toBe("old");
      return;
    }
    await run();
    expect((await entryAt(root, at)).mode >> 12).toBe(type);
    // What a link pointed to is untouched.
    if (at !== "folder") expect(text(root, "folder/sub/file")).toBe("old");
  });
});

test("replacing a file leaves its other links alone", async () => {
  const path = temporaryFolder();
  writeFileSync(`${path}/a`, "old");
  linkSync(`${path}/a`, `${path}/b`);
  const root = openRoot(path);
  await applyOps(root, file("a", "new", { existing: "replace" }));
  expect([text(root, "a"), text(root, "b")]).toEqual(["new", "old"]);
});

test("a hard link to itself changes nothing, also through another name", async () => {
  const path = temporaryFolder();
  writeFileSync(`${path}/a`, "only");
  symlinkSync(".", `${path}/here`);
  const root = openRoot(path);
  for (const to of ["a", "./a", "here/a"])
    await applyOps(root, { type: "hardlink", path: "a", to, existing: "replace" });
  expect(text(root, "a")).toBe("only");
  const missing = await failureOf(() =>
    applyOps(root, { type: "hardlink", path: "a", to: "none", existing: "replace" }),
  );
  expect(missing).toMatchObject({ code: "ENOENT", path: "none" });
  expect(text(root, "a")).toBe("only");
});

test("missing parents are made 0755 when asked for, else they are missing", async () => {
  const root = openRoot(temporaryFolder());
  expect(await failureOf(() => applyOps(root, folder("a"), file("b/c", "x")))).toEqual({
    message: "ENOENT: openat2 'b'",
    code: "ENOENT",
    errno: -2,
    syscall: "openat2",
    path: "b",
    index: 1,
  });
  if (owner.uid === 0) {
    const umask = process.umask(0o077);
    await applyOps(
      root,
      file("p/q/r", "x", { makeParents: true }),
      file("p/q/s", "y", { makeParents: true }),
    ).finally(() => process.umask(umask));
    for (const path of ["p", "p/q"])
      expect(await entryAt(root, path)).toMatchObject({ mode: 0o040755, uid: 0, gid: 0 });
    expect(text(root, "p/q/s")).toBe("y");
  }
});

test("removal is silent about what is missing, and later ops see the tree as it is", async () => {
  const path = temporaryFolder();
  const root = openRoot(path);
  await applyOps(
    root,
    folder("d"),
    file("d/a", "1"),
    { type: "remove", path: "d", existing: "replace" },
    { type: "remove", path: "d/a", existing: "replace" },
    folder("d"),
    file("d/b", "2"),
    // The folder is cached; now it becomes a link to another, and the next op has to notice.
    folder("e"),
    file("e/x", "3"),
    { type: "symlink", path: "e", target: "d", existing: "replace", ...owner },
    file("e/y", "4"),
  );
  expect(await shape(root)).toEqual(["d 4", "d/b 10", "d/y 10", "e 12"]);
  const failure = await failureOf(() => applyOps(root, { type: "remove", path: "", existing: "replace" }));
  expect(failure).toMatchObject({ code: "EBUSY" });
});

test("paths of ops cannot leave the root", async () => {
  const base = temporaryFolder();
  mkdirSync(`${base}/root`);
  mkdirSync(`${base}/out`);
  writeFileSync(`${base}/out/secret`, "outside");
  symlinkSync("../out", `${base}/root/l`);
  symlinkSync(`${base}/out`, `${base}/root/abs`);
  const root = openRoot(`${base}/root`);
  for (const path of ["l/new", "abs/new"]) {
    expect(await failureOf(() => applyOps(root, file(path, "x")))).toMatchObject({ code: "ENOENT" });
  }
  await applyOps(root, file("../../up", "x"));
  expect(nativeFs.listInRoot(root, "")).toEqual(["abs", "l", "up"]);
  const link = { type: "hardlink", path: "stolen", to: "abs/secret", existing: "error" } as const;
  expect(await failureOf(() => applyOps(root, link))).toMatchObject({ code: "ENOENT" });
  expect(await failureOf(() => applyOps(root, file("x/..", "x")))).toMatchObject({ code: "EINVAL" });
});

describe("moves", () => {
  const move = (path: string, from: string, more: object = {}): TreeOp =>
    ({ ...file(path, "", more), type: "move", from }) as TreeOp;

  async function world() {
    const [path, targetPath] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(`${path}/staged`, "moved", { mode: 0o600 });
    const [source, target] = [openRoot(path), openRoot(targetPath)];
    const apply = (...ops: TreeOp[]) => nativeFs.apply(target, source, encodeTreeOps(ops), { hash: true });
    return { path, targetPath, source, target, apply };
  }

  test("take the file itself, with the metadata of the op", async () => {
    const { path, target, source, targetPath, apply } = await world();
    const before = statSync(`${path}/staged`).ino;
    const digests = await apply(
      folder("d"),
      move("d/it", "staged", { mode: 0o6751, mtimeNs: 5_000_000_000n }),
    );
    expect(digests).toHaveLength(0);
    const { ino, mode, nlink, mtimeMs } = statSync(`${targetPath}/d/it`);
    expect([ino, mode & 0o7777, nlink, mtimeMs]).toEqual([before, 0o6751, 1, 5000]);
    expect(text(target, "d/it")).toBe("moved");
    expect(nativeFs.listInRoot(source, "")).toEqual([]);
  });

  test.each([
    ["error", "EEXIST"],
    ["copy", "moved"],
    ["replace", "moved"],
  ] as const)("meet a file in the way (%s)", async (existing, outcome) => {
    const { target, source, apply } = await world();
    await applyOps(target, file("it", "old"));
    const moving = apply(move("it", "staged", { existing }));
    if (outcome !== "EEXIST") await moving;
    else expect(await failureOf(() => moving)).toMatchObject({ code: outcome, path: "it" });
    expect(text(target, "it")).toBe(outcome === "EEXIST" ? "old" : outcome);
    expect(nativeFs.listInRoot(source, "")).toEqual(outcome === "EEXIST" ? ["staged"] : []);
  });

  test("never go over a folder in the way of a COPY", async () => {
    const { target, source, apply } = await world();
    await applyOps(target, folder("it"));
    expect(await failureOf(() => apply(move("it", "staged", { existing: "copy" })))).toMatchObject({
      code: "EISDIR",
    });
    expect(nativeFs.listInRoot(source, "")).toEqual(["staged"]);
  });

  test("are copies where file systems differ", async (context) => {
    const other = "/dev/shm";
    if (!existsSync(other) || statSync(other).dev === statSync(tmpdir()).dev) context.skip("one file system");
    const { target } = await world();
    const far = mkdtempSync(`${other}/tsbuild-fs-`);
    onTestFinished(() => rmSync(far, { recursive: true, force: true }));
    writeFileSync(`${far}/staged`, "from afar");
    await nativeFs.apply(target, openRoot(far), encodeTreeOps([move("it", "staged", { mode: 0o640 })]), {
      hash: false,
    });
    expect(text(target, "it")).toBe("from afar");
    expect(existsSync(`${far}/staged`)).toBe(false);
  });
});

describe("copies", () => {
  const copy = (path: string, from: string): TreeOp => ({ ...file(path, ""), type: "copy", from }) as TreeOp;
  const digests = async (source: number, target: number, ops: readonly TreeOp[]) =>
    (await nativeFs.apply(target, source, encodeTreeOps(ops), { hash: true })).toString("hex");

  test("hash what they write, with and without digests", async () => {
    const path = temporaryFolder();
    mkdirSync(`${path}/d`);
    const sizes = [0, 1, 4095, 65_536, 524_288, 524_289, 3_000_001, 4_194_304, 9_000_001];
    const contents = sizes.map((size) => randomBytes(size));
    for (const [index, content] of contents.entries()) writeFileSync(`${path}/d/${index}`, content);
    const source = openRoot(path);
    const target = openRoot(temporaryFolder());
    const expected = contents.map((content) => createHash("sha256").update(content).digest("hex")).join("");
    expect(
      await digests(
        source,
        target,
        contents.map((_, index) => copy(`h${index}`, `d/${index}`)),
      ),
    ).toBe(expected);
    await nativeFs.apply(
      target,
      source,
      encodeTreeOps(contents.map((_, index) => copy(`p${index}`, `d/${index}`))),
      { hash: false },
    );
    for (const prefix of ["h", "p"]) {
      const names = contents.map((_, index) => `${prefix}${index}`);
      expect((await nativeFs.hashFiles(target, names)).toString("hex")).toBe(expected);
    }
  });

  test("are hashed on a thread behind the copy as far as there was a file to copy", async () => {
    const path = temporaryFolder();
    const targetPath = temporaryFolder();
    const content = randomBytes(8_000_000);
    writeFileSync(`${path}/big`, content);
    const [source, target] = [openRoot(path), openRoot(targetPath)];
    const copying = digests(source, target, [copy("big", "big")]);
    truncateSync(`${path}/big`, 5_000_000);
    const digest = await copying;
    const copied = readFileSync(`${targetPath}/big`);
    expect(digest).toBe(createHash("sha256").update(copied).digest("hex"));
  });

  test("keep holes, and hash them as zeros", async () => {
    const path = temporaryFolder();
    const fd = openSync(`${path}/sparse`, "w");
    writeSync(fd, "head", 0);
    writeSync(fd, "middle", 5_000_000);
    ftruncateSync(fd, 20_000_000);
    closeSync(fd);
    writeFileSync(`${path}/hole`, "");
    truncateSync(`${path}/hole`, 1_000_000);
    const targetPath = temporaryFolder();
    const [source, target] = [openRoot(path), openRoot(targetPath)];
    const expected = ["sparse", "hole"].map((name) =>
      createHash("sha256")
        .update(readFileSync(`${path}/${name}`))
        .digest("hex"),
    );
    const ops = [copy("a", "sparse"), copy("b", "hole")];
    expect(await digests(source, target, ops)).toBe(expected.join(""));
    await nativeFs.apply(target, source, encodeTreeOps([copy("c", "sparse")]), { hash: false });
    for (const name of ["a", "c"]) {
      expect(readFileSync(`${targetPath}/${name}`).equals(readFileSync(`${path}/sparse`))).toBe(true);
      expect(statSync(`${targetPath}/${name}`).blocks * 512).toBeLessThan(1_000_000);
    }
    expect(statSync(`${targetPath}/b`)).toMatchObject({ size: 1_000_000, blocks: 0 });
  });

  test("refuse links on the way, folders and what is no file", async () => {
    const path = temporaryFolder();
    mkdirSync(`${path}/d`);
    writeFileSync(`${path}/d/file`, "x");
    symlinkSync("d", `${path}/link`);
    symlinkSync("d/file", `${path}/filelink`);
    const source = openRoot(path);
    const target = openRoot(temporaryFolder());
    const run = (from: string) => failureOf(() => digests(source, target, [copy("x", from)]));
    expect(await run("link/file")).toMatchObject({ code: "ELOOP" });
    expect(await run("filelink")).toMatchObject({ code: "ELOOP" });
    expect(await run("d")).toMatchObject({
      code: "EINVAL",
      message: "EINVAL: fstat 'd': not a regular file",
    });
    expect(await run("none")).toMatchObject({ code: "ENOENT", path: "none", index: 0 });
    await applyOps(source, {
      type: "node",
      kind: "fifo",
      major: 0,
      minor: 0,
      path: "fifo",
      existing: "error",
      mode: 0o600,
      ...owner,
    });
    expect(await run("fifo")).toMatchObject({ code: "EINVAL" });
    // Opening a socket is ENXIO: nothing was opened, as to open a device or a pipe does things already.
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(`${path}/socket`, resolve));
    expect(await run("socket")).toMatchObject({ code: "EINVAL" });
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    expect(nativeFs.listInRoot(target, "")).toEqual([]);
  });
});

test("user attributes are set on files and folders, and read back sorted", async () => {
  const root = openRoot(temporaryFolder());
  const xattrs = [
    { name: "user.b", value: Buffer.from([0, 1, 255]) },
    { name: "user.a", value: Buffer.alloc(0) },
  ];
  const long = { name: "user.long", value: Buffer.alloc(2000, "x") };
  await applyOps(
    root,
    folder("d", "error", { xattrs }),
    file("f", "x", { xattrs: [...xattrs, long], mode: 0o444 }),
  );
  expect((await entryAt(root, "d", true)).xattrs).toEqual(xattrs.toReversed());
  expect((await entryAt(root, "f", true)).xattrs).toEqual([...xattrs.toReversed(), long]);
  expect((await entryAt(root, "f", false)).xattrs).toBeUndefined();
  const refused = { type: "symlink", path: "l", target: "t", existing: "error", xattrs, ...owner } as const;
  expect(await failureOf(() => applyOps(root, refused))).toMatchObject({
    code: "EPERM",
    syscall: "lsetxattr",
  });
  const ops = encodeTreeOps([{ ...refused, path: "m" }]);
  await nativeFs.apply(root, -1, ops, { hash: false, ignoreXattrErrors: true });
  expect(nativeFs.listInRoot(root, "")).toEqual(["d", "f", "l", "m"]);
});

test("a malformed batch is refused before anything is done", async () => {
  const root = openRoot(temporaryFolder());
  const good = encodeTreeOps([folder("a"), file("b", "data")]);
  const refusals: Buffer[] = [Buffer.alloc(0), good.subarray(0, 15), Buffer.concat([good, Buffer.alloc(1)])];
  for (let end = 16; end < good.length; end += 7) refusals.push(good.subarray(0, end));
  for (const [at, value] of [
    [0, 0x58],
    [8, 99],
    [16, 11],
    [17, 4],
    [18, 8],
    [19, 1],
    [21, 0x10],
    [80, 0],
  ] as const) {
    const damaged = Buffer.from(good);
    damaged[at] = value;
    refusals.push(damaged);
  }
  for (const batch of refusals) {
    expect(await failureOf(() => nativeFs.apply(root, -1, batch, { hash: false }))).toMatchObject({
      code: "EINVAL",
      syscall: "ops",
    });
  }
  expect(nativeFs.listInRoot(root, "")).toEqual([]);
  await nativeFs.apply(root, -1, good, { hash: false });
  expect(nativeFs.listInRoot(root, "")).toEqual(["a", "b"]);
});

test("the encoder grows with its content and takes names that are not UTF-8", async () => {
  const root = openRoot(temporaryFolder());
  const big = Buffer.alloc(300_000, "b");
  const names = Array.from({ length: 2000 }, (_, index) => `file-${index}-é-\udcff`);
  await nativeFs.apply(
    root,
    -1,
    encodeTreeOps([...names.map((name) => file(name, name)), { ...file("big", ""), data: big } as TreeOp]),
    { hash: false },
  );
  expect(nativeFs.listInRoot(root, "").length).toBe(2001);
  expect(nativeFs.readFileInRoot(root, "big", 1e6)?.equals(big)).toBe(true);
  expect(nativeFs.statInRoot(root, names[1999]!, false)).toBeDefined();
  expect(() => encodeTreeOps([folder("a", "error", { mtimeNs: 2n ** 100n })])).toThrow(RangeError);
});

/** A content in two pieces of one memory. */
async function* inOneMemory(...pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(16);
  for (const piece of pieces) yield memory.subarray(0, memory.write(piece));
}

const AN_A = { type: "file", path: "a", existing: "error", mode: 0o644, uid: 0, gid: 0 } as const;

test("a batch whose memory is used again has the bytes of a new one", async () => {
  const xattrs = [{ name: "user.one", value: Buffer.from("1") }];
  const batch = new TreeOpBatch();
  batch.add({ ...file("old", "of the batch before"), xattrs } as TreeOp);
  batch.clear();
  await batch.addFile({ ...AN_A, xattrs }, 7, inOneMemory("abcd", "efg"));
  batch.add(folder("f", "error"));
  const data = Buffer.from("abcdefg");
  const ops: TreeOp[] = [{ ...AN_A, xattrs, data }, folder("f", "error")];
  expect(batch.bytes()).toEqual(encodeTreeOps(ops));
});

test.each([["abc"], ["abcdefgh"]])(
  "a file that is said to have 7 bytes and has %s is refused",
  async (content) => {
    const adding = new TreeOpBatch().addFile(AN_A, 7, inOneMemory(content));
    await expect(adding).rejects.toThrow(/^a has .* 7 bytes$/);
  },
);

test("removes a tree that others remove at the same time, as two processes do that empty one trash", async () => {
  const parent = temporaryFolder();
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < 40; at++) {
      const deep = join(parent, `tree/${at % 8}/${at}/deep`);
      mkdirSync(deep, { recursive: true });
      for (const name of ["a", "b", "c"]) writeFileSync(join(deep, name), "");
    }
    const root = nativeFs.openFolder(parent);
    const ops = encodeTreeOps([{ type: "remove", path: "tree", existing: "error" }]);
    await Promise.all([1, 2, 3, 4].map(() => nativeFs.apply(root, -1, ops, { hash: false })));
    nativeFs.close(root);
    expect(readdirSync(parent)).toEqual([]);
  }
});
