import { type ChildProcess, spawn } from "node:child_process";
import {
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { nativeFs } from "../src/index.ts";
import { failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

/** `inside` is the root; `outside` is beside it and must never be reached. */
function makeBoth(): { readonly inside: string; readonly outside: string; readonly root: number } {
  const folder = temporaryFolder();
  const inside = `${folder}/inside`;
  const outside = `${folder}/outside`;
  for (const path of [inside, outside, `${inside}/etc`, `${inside}/d`, `${inside}/d/e`]) mkdirSync(path);
  writeFileSync(`${outside}/secret`, "outside");
  writeFileSync(`${inside}/etc/name`, "inside");
  return { inside, outside, root: openRoot(inside) };
}

const read = (root: number, path: string) => nativeFs.readFileInRoot(root, path, 1000)?.toString();

test("absolute links, `..` and chains of links stay in the root", () => {
  const { inside, outside, root } = makeBoth();
  symlinkSync("/etc/name", `${inside}/absolute`);
  symlinkSync("../../../../etc/name", `${inside}/d/e/up`);
  symlinkSync(`${outside}/secret`, `${inside}/host`);
  symlinkSync("../outside", `${inside}/beside`);
  symlinkSync("/d/e/up", `${inside}/chain`);
  symlinkSync("loop", `${inside}/loop`);
  for (const path of ["absolute", "d/e/up", "chain", "/../../etc/name", "d/../../../etc/name"]) {
    expect(read(root, path), path).toBe("inside");
  }
  for (const path of ["host", "beside/secret", `${outside}/secret`, "../outside/secret"]) {
    expect(read(root, path), path).toBeUndefined();
  }
  expect(() => read(root, "loop")).toThrow(/^ELOOP: openat2 'loop'$/);
});

test("no call changes anything outside, whatever links the root holds", async () => {
  const { inside, outside, root } = makeBoth();
  symlinkSync(outside, `${inside}/out`);
  symlinkSync(`${outside}/secret`, `${inside}/file`);
  const before = lstatSync(outside, { bigint: true });
  const attempts = [
    () => nativeFs.openInRoot(root, "out/new", constants.O_CREAT | constants.O_WRONLY, 0o600),
    () => nativeFs.writeFileInRoot(root, "out/secret", Buffer.from("x"), { mode: 0o600, ...owner }),
    () => nativeFs.symlinkInRoot(root, "out/link", "x", owner),
    () => nativeFs.setTimesInRoot(root, "out/secret", 1n, 1n),
    () => nativeFs.setOwnerModeInRoot(root, "out/secret", { ...owner, mode: 0o777 }),
  ];
  for (const attempt of attempts) expect(await failureOf(attempt)).toMatchObject({ code: "ENOENT" });
  expect(nativeFs.removeInRoot(root, "out/secret")).toBe(false);
  nativeFs.setOwnerModeInRoot(root, "file", { ...owner, mode: 0o777 });
  nativeFs.setTimesInRoot(root, "file", 1n, 1n);
  nativeFs.writeFileInRoot(root, "file", Buffer.from("new"), { mode: 0o600, ...owner });
  expect(readFileSync(`${inside}/file`, "utf8")).toBe("new");
  expect(nativeFs.removeInRoot(root, "out")).toBe(true);
  expect(lstatSync(outside, { bigint: true }).mtimeNs).toBe(before.mtimeNs);
  expect(statSync(`${outside}/secret`).mode & 0o777).toBe(0o644);
  expect(readFileSync(`${outside}/secret`, "utf8")).toBe("outside");
});

/** A process of its own that runs `body` in a loop: the attacker who changes the tree while we resolve in it. */
function attack(body: string): ChildProcess {
  const child = spawn(process.execPath, ["-e", `const fs = require("node:fs"); for (;;) { ${body} }`], {
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test("a link that is swapped meanwhile never leads outside", async () => {
  const { inside, outside, root } = makeBoth();
  symlinkSync("/etc", `${inside}/swap`);
  attack(`
    fs.symlinkSync(${JSON.stringify(outside)}, ${JSON.stringify(`${inside}/t`)});
    fs.renameSync(${JSON.stringify(`${inside}/t`)}, ${JSON.stringify(`${inside}/swap`)});
    fs.symlinkSync("/etc", ${JSON.stringify(`${inside}/t`)});
    fs.renameSync(${JSON.stringify(`${inside}/t`)}, ${JSON.stringify(`${inside}/swap`)});`);
  const seen = new Set<string | undefined>();
  const end = Date.now() + 1500;
  while (Date.now() < end) {
    seen.add(read(root, "swap/name"));
    expect(read(root, "swap/secret")).toBeUndefined();
  }
  expect(seen).toEqual(new Set(["inside", undefined]));
});

test("a folder that is moved out meanwhile does not take `..` along", () => {
  const { inside, outside, root } = makeBoth();
  writeFileSync(`${inside}/secret`, "inside");
  attack(`
    fs.renameSync(${JSON.stringify(`${inside}/d/e`)}, ${JSON.stringify(`${outside}/e`)});
    fs.renameSync(${JSON.stringify(`${outside}/e`)}, ${JSON.stringify(`${inside}/d/e`)});`);
  const end = Date.now() + 1500;
  const seen = new Set<string | undefined>();
  while (Date.now() < end) seen.add(read(root, "d/e/../../secret"));
  expect(seen.has("outside")).toBe(false);
  expect(seen.has("inside")).toBe(true);
});

test("folders get exact modes, owners and times whatever the umask is", () => {
  const { root } = makeBoth();
  const umask = process.umask(0o077);
  try {
    const made = nativeFs.mkdirInRoot(root, "d/x/y", {
      parents: true,
      mode: 0o2775,
      ...owner,
      mtimeNs: 123_456_789n,
    });
    expect(made).toEqual(["d/x", "d/x/y"]);
  } finally {
    process.umask(umask);
  }
  for (const path of ["d/x", "d/x/y"]) {
    expect(nativeFs.statInRoot(root, path, false)).toMatchObject({
      mode: 0o042775,
      ...owner,
      mtimeNs: 123_456_789n,
    });
  }
  expect(nativeFs.mkdirInRoot(root, "d/x/y", { parents: true, mode: 0o700, ...owner })).toEqual([]);
  expect(nativeFs.statInRoot(root, "d/x/y", false)?.mode).toBe(0o042775);
});

test("mkdirInRoot follows links in the root, also those to what is missing", async () => {
  const { inside, outside, root } = makeBoth();
  const options = { parents: true, mode: 0o755, ...owner };
  symlinkSync("/run/later", `${inside}/dangling`);
  symlinkSync("../sibling", `${inside}/d/relative`);
  symlinkSync(`${outside}`, `${inside}/out`);
  expect(nativeFs.mkdirInRoot(root, "dangling/a", options)).toEqual(["/run", "/run/later", "dangling/a"]);
  expect(nativeFs.statInRoot(root, "run/later/a", false)).toBeDefined();
  expect(nativeFs.mkdirInRoot(root, "/d/relative", options)).toEqual(["/d/../sibling"]);
  nativeFs.mkdirInRoot(root, "out/x", options);
  expect(nativeFs.listInRoot(root, outside)).toEqual(["x"]);
  expect(() => lstatSync(`${outside}/x`)).toThrow(/ENOENT/);
  symlinkSync("self", `${inside}/self`);
  expect(await failureOf(() => nativeFs.mkdirInRoot(root, "self/x", options))).toMatchObject({
    code: "ELOOP",
  });
  expect(await failureOf(() => nativeFs.mkdirInRoot(root, "etc/name/x", options))).toMatchObject({
    code: "ENOTDIR",
  });
  expect(await failureOf(() => nativeFs.mkdirInRoot(root, "etc/name", options))).toMatchObject({
    code: "ENOTDIR",
  });
  const single = { ...options, parents: false };
  expect(await failureOf(() => nativeFs.mkdirInRoot(root, "p/q", single))).toMatchObject({ code: "ENOENT" });
  expect(nativeFs.mkdirInRoot(root, "p", single)).toEqual(["p"]);
});

test("stat, readlink, list and read tell what is there and what is not", async () => {
  const { inside, root } = makeBoth();
  symlinkSync("etc/name", `${inside}/link`);
  expect(nativeFs.statInRoot(root, "link", false)?.mode).toBe(0o120777);
  expect(nativeFs.statInRoot(root, "link", true)).toMatchObject({ mode: 0o100644, size: 6 });
  expect(nativeFs.statInRoot(root, "etc/name/below", true)).toBeUndefined();
  for (const path of ["", ".", "/", ".."])
    expect(nativeFs.statInRoot(root, path, true)?.ino).toBe(statSync(inside, { bigint: true }).ino);
  expect(nativeFs.readlinkInRoot(root, "link")).toBe("etc/name");
  expect(await failureOf(() => nativeFs.readlinkInRoot(root, "etc"))).toMatchObject({ code: "EINVAL" });
  expect(nativeFs.listInRoot(root, "/")).toEqual(["d", "etc", "link"]);
  expect(await failureOf(() => nativeFs.listInRoot(root, "link"))).toMatchObject({ code: "ENOTDIR" });
  expect(read(root, "nothing")).toBeUndefined();
  expect(await failureOf(() => nativeFs.readFileInRoot(root, "link", 5))).toMatchObject({ code: "EFBIG" });
  expect(nativeFs.readFileInRoot(root, "link", 6)?.toString()).toBe("inside");
  expect(await failureOf(() => read(root, "etc"))).toMatchObject({
    code: "EISDIR",
    syscall: "read",
    path: "etc",
  });
});

test("writeFileInRoot replaces what is there with exact metadata, and leaves nothing behind", async () => {
  const { inside, root } = makeBoth();
  symlinkSync("etc/name", `${inside}/link`);
  const options = { mode: 0o4755, ...owner, mtimeNs: 5n };
  nativeFs.writeFileInRoot(root, "link", Buffer.from("new"), options);
  nativeFs.writeFileInRoot(root, "/etc/empty", Buffer.alloc(0), options);
  expect(nativeFs.statInRoot(root, "link", false)).toMatchObject({ mode: 0o104755, size: 3, mtimeNs: 5n });
  expect(read(root, "etc/name")).toBe("inside");
  expect(read(root, "etc/empty")).toBe("");
  expect(await failureOf(() => nativeFs.writeFileInRoot(root, "d", Buffer.from("x"), options))).toMatchObject(
    {
      code: "EISDIR",
      syscall: "renameat",
      path: "d",
    },
  );
  expect(nativeFs.listInRoot(root, "")).toEqual(["d", "etc", "link"]);
});

test("symlinkInRoot keeps its target as it is", async () => {
  const { inside, root } = makeBoth();
  nativeFs.symlinkInRoot(root, "etc/l", "/any/../where ", { ...owner, mtimeNs: 1_000_000_007n });
  expect(readlinkSync(`${inside}/etc/l`)).toBe("/any/../where ");
  expect(nativeFs.statInRoot(root, "etc/l", false)?.mtimeNs).toBe(1_000_000_007n);
  expect(await failureOf(() => nativeFs.symlinkInRoot(root, "etc/l", "x", owner))).toMatchObject({
    code: "EEXIST",
  });
});

test("removal does not follow links and cannot take the root", async () => {
  const { inside, outside, root } = makeBoth();
  symlinkSync(outside, `${inside}/d/e/out`);
  mkdirSync(`${inside}/d/locked`, { mode: 0o500 });
  expect(nativeFs.removeInRoot(root, "d")).toBe(true);
  expect(nativeFs.removeInRoot(root, "d")).toBe(false);
  expect(nativeFs.removeInRoot(root, "no/such")).toBe(false);
  expect(readFileSync(`${outside}/secret`, "utf8")).toBe("outside");
  expect(await failureOf(() => nativeFs.removeInRoot(root, "/"))).toMatchObject({ code: "EBUSY" });
  expect(await failureOf(() => nativeFs.removeInRoot(root, "etc/.."))).toMatchObject({ code: "EINVAL" });
  expect(nativeFs.listInRoot(root, "")).toEqual(["etc"]);
});

test("errors are those of the system, with the call and the path", async () => {
  const { root } = makeBoth();
  expect(await failureOf(() => nativeFs.openInRoot(root, "etc/passwd", 0, 0))).toEqual({
    message: "ENOENT: openat2 'etc/passwd'",
    code: "ENOENT",
    errno: -2,
    syscall: "openat2",
    path: "etc/passwd",
  });
  expect(await failureOf(() => nativeFs.openFolder("/no/such/folder"))).toMatchObject({
    code: "ENOENT",
    syscall: "open",
  });
  expect(await failureOf(() => nativeFs.close(-1))).toMatchObject({ code: "EBADF", syscall: "close" });
  expect(await failureOf(() => nativeFs.walk(99_999, "", { xattrs: false }))).toMatchObject({
    code: "EBADF",
  });
  expect(() => nativeFs.close("1" as unknown as number)).toThrow(TypeError);
});

test("syncing a folder and its file system works on the descriptors that we have", async () => {
  const { inside, root } = makeBoth();
  await nativeFs.fsyncFolder(inside);
  await nativeFs.syncFs(root);
  expect(await failureOf(() => nativeFs.fsyncFolder(`${inside}/none`))).toMatchObject({
    code: "ENOENT",
    syscall: "open",
  });
});

test("the real path of what a path leads to, links and all; nothing outside has one", () => {
  const { inside, outside, root } = makeBoth();
  symlinkSync("/d", `${inside}/absolute`);
  symlinkSync("../../d/e", `${inside}/d/up`);
  symlinkSync(outside, `${inside}/out`);
  symlinkSync("round", `${inside}/round`);
  symlinkSync("/", `${inside}/top`);
  writeFileSync(`${inside}/d/x file`, "");
  const paths = [
    "",
    ".",
    "/",
    "top",
    "d/e",
    "/d/./e/",
    "d//e",
    "d/e/../../etc/name",
    "absolute/e",
    "d/up",
    "absolute/up/../x file",
  ];
  expect(paths.map((path) => nativeFs.pathInRoot(root, path))).toEqual([
    ...["", "", "", "", "d/e", "d/e", "d/e", "etc/name", "d/e", "d/e", "d/x file"],
  ]);
  for (const path of ["none", "d/none/x", "etc/name/x", "out", "out/secret", "round", "../outside"])
    expect(nativeFs.pathInRoot(root, path), path).toBeUndefined();
  expect(nativeFs.pathInRoot(root, "d/".repeat(3000))).toBeUndefined();
  expect(() => nativeFs.pathInRoot(root, "n".repeat(300))).toThrow("ENAMETOOLONG");
});
