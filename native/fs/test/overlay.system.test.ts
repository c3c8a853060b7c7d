import { execFileSync } from "node:child_process";
import { constants, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { encodeTreeOps, nativeFs } from "../src/index.ts";
import { applyOps, entriesBelow, entryAt, failureOf, openRoot, owner, temporaryFolder } from "./fixture.ts";

beforeEach((context) => context.skip(process.getuid!() !== 0, "mounting needs root"));

interface Layers {
  readonly base: string;
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** `lowers` top first; each with a file of its own and a share in `common`. */
function makeLayers(count: number, base = temporaryFolder()): Layers {
  const lowers = Array.from({ length: count }, (_, index) => `${base}/l${index}`);
  for (const [index, lower] of lowers.entries()) {
    mkdirSync(`${lower}/common`, { recursive: true });
    writeFileSync(`${lower}/common/all`, `layer ${index}`);
    writeFileSync(`${lower}/common/only${index}`, "");
  }
  for (const name of ["upper", "work"]) mkdirSync(`${base}/${name}`);
  return { base, lowers, upper: `${base}/upper`, work: `${base}/work` };
}

function mount(options: Parameters<typeof nativeFs.mountOverlay>[0]): number {
  const fd = nativeFs.mountOverlay(options);
  onTestFinished(() => nativeFs.close(fd));
  return fd;
}

const text = (root: number, path: string) => nativeFs.readFileInRoot(root, path, 1000)?.toString();

test("a detached overlay is read and written through its descriptor", async () => {
  const { lowers, upper, work } = makeLayers(2);
  const root = mount({ lowers, upper, work, userxattr: false });
  expect(text(root, "common/all")).toBe("layer 0");
  expect(nativeFs.listInRoot(root, "common")).toEqual(["all", "only0", "only1"]);
  nativeFs.writeFileInRoot(root, "/common/all", Buffer.from("new"), { mode: 0o644, ...owner });
  nativeFs.removeInRoot(root, "common/only1");
  await applyOps(root, { type: "folder", path: "made", existing: "error", mode: 0o750, ...owner });
  expect(nativeFs.listInRoot(root, "common")).toEqual(["all", "only0"]);
  expect(readFileSync(`${upper}/common/all`, "utf8")).toBe("new");
  const whiteout = await entryAt(openRoot(upper), "common/only1");
  expect(whiteout).toMatchObject({ mode: 0o020000, rdevMajor: 0, rdevMinor: 0 });
  expect(readFileSync(`${lowers[0]}/common/all`, "utf8")).toBe("layer 0");
  expect(existsSync(`${lowers[1]}/common/only1`)).toBe(true);
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(upper);
});

test("whiteouts and opaque folders made by ops work in the next overlay", async () => {
  const { lowers } = makeLayers(2);
  const top = openRoot(lowers[0]!);
  await applyOps(top, { type: "whiteout", path: "common/only1", existing: "error" });
  const merged = () => mount({ lowers, userxattr: false });
  expect(nativeFs.listInRoot(merged(), "common")).toEqual(["all", "only0"]);
  await applyOps(top, { type: "remove", path: "common/only1", existing: "replace" });
  await applyOps(top, { type: "opaque", path: "common", existing: "replace", userxattr: false });
  expect(nativeFs.listInRoot(merged(), "common")).toEqual(["all", "only0"]);
  await applyOps(top, { type: "whiteout", path: "common", existing: "replace" });
  expect(nativeFs.listInRoot(merged(), "")).toEqual([]);
  expect((await entryAt(top, "common")).mode).toBe(0o020000);
});

test("with userxattr the marks are user.overlay.*", async () => {
  const { lowers, upper, work } = makeLayers(2);
  await applyOps(openRoot(lowers[0]!), {
    type: "opaque",
    path: "common",
    existing: "replace",
    userxattr: true,
  });
  const root = mount({ lowers, upper, work, userxattr: true });
  expect(nativeFs.listInRoot(root, "common")).toEqual(["all", "only0"]);
  nativeFs.removeInRoot(root, "common");
  await applyOps(root, { type: "folder", path: "common", existing: "error", mode: 0o755, ...owner });
  const marked = await entryAt(openRoot(upper), "common", true);
  expect(marked.xattrs).toContainEqual({ name: "user.overlay.opaque", value: Buffer.from("y") });
});

test("one lower folder or none is a clone, read-only or not", async () => {
  const { lowers, upper } = makeLayers(1);
  const view = mount({ lowers, userxattr: false });
  expect(text(view, "common/all")).toBe("layer 0");
  const refused = () => nativeFs.writeFileInRoot(view, "x", Buffer.alloc(0), { mode: 0o644, ...owner });
  expect(await failureOf(refused)).toMatchObject({ code: "EROFS" });
  const plain = mount({ lowers: [], upper, userxattr: false });
  nativeFs.writeFileInRoot(plain, "x", Buffer.from("plain"), { mode: 0o644, ...owner });
  expect(readFileSync(`${upper}/x`, "utf8")).toBe("plain");
  const two = makeLayers(2);
  const both = mount({ lowers: two.lowers, userxattr: false });
  expect(await failureOf(() => nativeFs.removeInRoot(both, "common/all"))).toMatchObject({ code: "EROFS" });
});

test("300 lower folders, also where each path is too long for an option", () => {
  for (const base of [temporaryFolder(), `${temporaryFolder()}/${"long/".repeat(60)}base`]) {
    mkdirSync(base, { recursive: true });
    const { lowers, upper, work } = makeLayers(300, base);
    const root = mount({ lowers, upper, work, userxattr: false });
    expect(nativeFs.listInRoot(root, "common")).toHaveLength(301);
    expect(text(root, "common/all")).toBe("layer 0");
  }
});

test("paths with the separators of mount options are taken as they are", () => {
  const base = `${temporaryFolder()}/a:b,c\\d=e`;
  mkdirSync(base);
  const { lowers, upper, work } = makeLayers(2, base);
  const root = mount({ lowers, upper, work, userxattr: false });
  expect(nativeFs.listInRoot(root, "common")).toEqual(["all", "only0", "only1"]);
});

test("features that would leave marks in layers are off, also after a rename", async () => {
  const { lowers, upper, work } = makeLayers(1);
  const root = mount({ lowers, upper, work, userxattr: false });
  // Without redirect_dir a folder of a lower layer cannot be renamed; programs then copy it.
  execFileSync("mv", [`/proc/self/fd/${root}/common`, `/proc/self/fd/${root}/moved`], {
    stdio: ["ignore", "inherit", "inherit", ...Array(root - 2).fill(root)],
  });
  const entries = await entriesBelow(openRoot(upper), "", true);
  const marks = entries.flatMap((entry) => (entry.xattrs ?? []).map((xattr) => xattr.name));
  expect(marks.filter((name) => /redirect|metacopy/.test(name))).toEqual([]);
  expect(entries.map((entry) => entry.path)).toEqual(["", "common", "moved", "moved/all", "moved/only0"]);
});

test("a volatile overlay marks its work folder", () => {
  const { lowers, upper, work } = makeLayers(1);
  mount({ lowers, upper, work, userxattr: false, volatile: true });
  expect(existsSync(`${work}/work/incompat/volatile`)).toBe(true);
});

test("links in the mount stay in it, and single files in it are found by every call", async () => {
  const { lowers, upper, work } = makeLayers(2);
  symlinkSync("/common/all", `${lowers[1]}/absolute`);
  symlinkSync("/etc/passwd", `${lowers[1]}/host`);
  const root = mount({ lowers, upper, work, userxattr: false });
  expect(text(root, "absolute")).toBe("layer 0");
  expect(text(root, "host")).toBeUndefined();
  const folder = nativeFs.openInRoot(root, "common", constants.O_DIRECTORY, 0);
  onTestFinished(() => nativeFs.close(folder));
  expect(nativeFs.listInRoot(folder, "..")).toEqual(["all", "only0", "only1"]);
  expect((await nativeFs.hashFiles(root, ["common/all"])).toString("hex")).toBe(
    execFileSync("sha256sum", [`${lowers[0]}/common/all`])
      .toString()
      .slice(0, 64),
  );
  const target = openRoot(temporaryFolder());
  const copy = {
    type: "copy",
    path: "out",
    from: "common/all",
    existing: "error",
    mode: 0o600,
    ...owner,
  } as const;
  await nativeFs.apply(target, root, encodeTreeOps([copy]), { hash: false });
  expect(text(target, "out")).toBe("layer 0");
});

test("a refusal names the call and the folder", async () => {
  const { base, lowers, upper } = makeLayers(2);
  const missing = await failureOf(() =>
    nativeFs.mountOverlay({ lowers: [...lowers, "/no/such"], userxattr: false }),
  );
  expect(missing).toMatchObject({ code: "ENOENT", syscall: "open", path: "/no/such" });
  writeFileSync(`${base}/file`, "");
  const noFolder = await failureOf(() =>
    nativeFs.mountOverlay({ lowers: [...lowers, `${base}/file`], userxattr: false }),
  );
  expect(noFolder).toMatchObject({ code: "ENOTDIR", syscall: "open", path: `${base}/file` });
  const nothing = await failureOf(() => nativeFs.mountOverlay({ lowers: [], userxattr: false }));
  expect(nothing).toMatchObject({ code: "EINVAL", syscall: "mountOverlay" });
  const noWork = await failureOf(() => nativeFs.mountOverlay({ lowers, upper, userxattr: false }));
  expect(noWork["message"]).toMatch(/no work folder/);
});
