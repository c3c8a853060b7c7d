import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { encodeTreeOps, nativeFs, type TreeOp } from "../src/index.ts";
import { applyOps, entriesBelow, entryAt, failureOf, openRoot, temporaryFolder } from "./fixture.ts";

beforeEach((context) => context.skip(process.getuid!() !== 0, "owners, devices and mounts need root"));

/** cap_net_raw+ep, version 2, as `setcap` writes it. */
const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
const someone = { uid: 1234, gid: 4_000_000_000, existing: "error" } as const;

test("owners, setuid and capabilities survive each other", async () => {
  const path = temporaryFolder();
  writeFileSync(`${path}/source`, "binary");
  const root = openRoot(path);
  const xattrs = [{ name: "security.capability", value: capability }];
  const ops: TreeOp[] = [
    { type: "file", path: "file", data: Buffer.from("x"), mode: 0o6711, xattrs, ...someone },
    { type: "copy", path: "copy", from: "source", mode: 0o4755, xattrs, ...someone },
    { type: "folder", path: "folder", mode: 0o3777, ...someone },
    { type: "symlink", path: "link", target: "/etc/passwd", ...someone },
  ];
  await nativeFs.apply(root, root, encodeTreeOps(ops), { hash: false });
  const made = Object.fromEntries((await entriesBelow(root, "", true)).map((entry) => [entry.path, entry]));
  for (const name of ["file", "copy", "folder", "link"])
    expect(made[name]).toMatchObject({ uid: 1234, gid: 4_000_000_000 });
  expect(made["file"]).toMatchObject({ mode: 0o106711, xattrs });
  expect(made["copy"]).toMatchObject({ mode: 0o104755, xattrs });
  expect(made["folder"]!.mode).toBe(0o043777);
  expect(execFileSync("stat", ["-c", "%u:%g", "/etc/passwd"]).toString()).toBe("0:0\n");
});

test("devices have their numbers and exact modes", async () => {
  const root = openRoot(temporaryFolder());
  const node = { type: "node", mode: 0o666, ...someone } as const;
  const umask = process.umask(0o077);
  await applyOps(
    root,
    { ...node, path: "char", kind: "char", major: 1, minor: 1_000_000 },
    { ...node, path: "block", kind: "block", major: 4095, minor: 7 },
  ).finally(() => process.umask(umask));
  expect(await entryAt(root, "char")).toMatchObject({
    mode: 0o020666,
    rdevMajor: 1,
    rdevMinor: 1_000_000,
    uid: 1234,
  });
  expect(await entryAt(root, "block")).toMatchObject({ mode: 0o060666, rdevMajor: 4095, rdevMinor: 7 });
});

test("setOwnerModeInRoot sets the owner first, so that setuid stays, and never follows", () => {
  const path = temporaryFolder();
  writeFileSync(`${path}/file`, "");
  const root = openRoot(path);
  nativeFs.symlinkInRoot(root, "link", "file", { uid: 0, gid: 0 });
  nativeFs.setOwnerModeInRoot(root, "file", { uid: 5, gid: 6, mode: 0o6755 });
  nativeFs.setOwnerModeInRoot(root, "link", { uid: 7, gid: 8, mode: 0o600 });
  expect(nativeFs.statInRoot(root, "file", false)).toMatchObject({ uid: 5, gid: 6, mode: 0o106755 });
  expect(nativeFs.statInRoot(root, "link", false)).toMatchObject({ uid: 7, gid: 8, mode: 0o120777 });
  nativeFs.setOwnerModeInRoot(root, "", { uid: 9, gid: 9 });
  expect(nativeFs.statInRoot(root, "", false)).toMatchObject({ uid: 9, gid: 9, mode: 0o040700 });
});

/** A tmpfs on `path` until the test ends. */
function mountTmpfs(path: string): void {
  execFileSync("mount", ["-t", "tmpfs", "none", path]);
  onTestFinished(() => void execFileSync("umount", ["-l", path]));
}

test("mounts in a tree are neither walked into nor removed", async () => {
  const path = temporaryFolder();
  mkdirSync(`${path}/a/mounted`, { recursive: true });
  mountTmpfs(`${path}/a/mounted`);
  writeFileSync(`${path}/a/mounted/keep`, "precious");
  const root = openRoot(path);
  expect((await entriesBelow(root)).map((entry) => entry.path)).toEqual(["", "a", "a/mounted"]);
  expect((await entriesBelow(root, "a/mounted")).map((entry) => entry.path)).toEqual(["", "keep"]);
  const failure = await failureOf(() => nativeFs.removeInRoot(root, "a"));
  expect(["EBUSY", "EXDEV"]).toContain(failure["code"]);
  expect(failure["path"]).toBe("a/mounted");
  expect(nativeFs.readFileInRoot(root, "a/mounted/keep", 100)?.toString()).toBe("precious");
});

test("copies between file systems fall back to reading and writing", async () => {
  const path = temporaryFolder();
  mkdirSync(`${path}/tmpfs`);
  mountTmpfs(`${path}/tmpfs`);
  const data = Buffer.alloc(3_000_000, "abc");
  writeFileSync(`${path}/tmpfs/file`, data);
  const [source, target] = [openRoot(`${path}/tmpfs`), openRoot(path)];
  const copy = { type: "copy", from: "file", mode: 0o640, ...someone } as const;
  for (const [name, hash] of [
    ["a", false],
    ["b", true],
  ] as const) {
    await nativeFs.apply(target, source, encodeTreeOps([{ ...copy, path: name }]), { hash });
    expect(nativeFs.readFileInRoot(target, name, 1e7)?.equals(data)).toBe(true);
  }
});

test("a full disk is ENOSPC with the op and the path", async () => {
  const path = temporaryFolder();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", path]);
  onTestFinished(() => void execFileSync("umount", ["-l", path]));
  const root = openRoot(path);
  const big = { type: "file", path: "big", data: Buffer.alloc(200_000), mode: 0o600, ...someone } as const;
  const failure = await failureOf(() =>
    applyOps(root, { type: "folder", path: "d", mode: 0o700, ...someone }, big),
  );
  expect(failure).toMatchObject({ code: "ENOSPC", syscall: "write", path: "big", index: 1 });
});

test("trusted.overlay.* is read, other trusted.* is not", async () => {
  const path = temporaryFolder();
  mkdirSync(`${path}/d`);
  const root = openRoot(path);
  const xattrs = ["trusted.other", "trusted.overlay.opaque", "user.x"].map((name) => ({
    name,
    value: Buffer.from("y"),
  }));
  await applyOps(root, {
    type: "folder",
    path: "d",
    existing: "replace",
    mode: 0o755,
    uid: 0,
    gid: 0,
    xattrs,
  });
  expect((await entryAt(root, "d", true)).xattrs?.map((xattr) => xattr.name)).toEqual([
    "trusted.overlay.opaque",
    "user.x",
  ]);
});
