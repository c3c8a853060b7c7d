import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { Random } from "../../../test/fuzz/support/random.ts";
import { nativeFs } from "../src/index.ts";
import { openRoot, temporaryFolder } from "./fixture.ts";

beforeEach((context) => context.skip(process.getuid!() !== 0, "mounting needs root"));

const NAMES = ["a", "b", "c"];
const PATHS = NAMES.flatMap((one) => [
  one,
  ...NAMES.flatMap((two) => [`${one}/${two}`, ...NAMES.map((three) => `${one}/${two}/${three}`)]),
]);
const SURELY = { userxattr: false, isFile: false };

/** Something a step may do; what cannot be done, as the path is no folder, is not. */
function change(root: string, random: Random): void {
  const path = `${root}/${PATHS[random.below(PATHS.length)]}`;
  const doings = [
    () => mkdirSync(path, { recursive: true, mode: 0o700 + random.below(8) }),
    () => writeFileSync(path, String(random.below(1000))),
    () => rmSync(path, { recursive: true, force: true }),
    () => renameSync(`${root}/${PATHS[random.below(PATHS.length)]}`, path),
    () => symlinkSync(NAMES[random.below(3)]!, path),
    () => chmodSync(path, 0o700 + random.below(8)),
  ];
  try {
    doings[random.below(doings.length)]!();
  } catch (error) {
    expect(error).toHaveProperty("code");
  }
}

/** Layers as overlayfs writes them, topmost first. */
function makeStack(count: number, random: Random): readonly string[] {
  const base = temporaryFolder();
  const layers: string[] = [];
  for (let made = 0; made < count; made++) {
    const [upper, work] = [`${base}/l${made}`, `${base}/w${made}`];
    for (const folder of [upper, work]) mkdirSync(folder);
    const root = nativeFs.mountOverlay({ lowers: layers, upper, work, userxattr: false });
    for (let i = 0; i < 12; i++) change(`/proc/self/fd/${root}`, random);
    nativeFs.close(root);
    layers.unshift(upper);
  }
  return layers;
}

/** What a root shows on the way to a path and at its end. */
function shown(root: number, path: string): unknown {
  const names = path.split("/");
  return names.map((_, i) => {
    const stat = nativeFs.statInRoot(root, names.slice(0, i + 1).join("/"), false);
    if (stat === undefined) return undefined;
    const { mode, uid, gid, size, mtimeNs } = stat;
    return [mode, uid, gid, mtimeNs, (mode & 0o170000) === 0o040000 ? 0 : size];
  });
}

test("a layer that is named shows what all of them show, in stacks of random changes", () => {
  const told = { of: 0, plain: 0, files: 0 };
  for (let seed = 0; seed < 60; seed++) {
    const layers = makeStack(4, new Random(seed));
    const whole = nativeFs.mountOverlay({ lowers: layers, userxattr: false });
    for (const path of PATHS) {
      const layer = nativeFs.plainLayer(layers, path, SURELY);
      const file = nativeFs.plainLayer(layers, path, { userxattr: false, isFile: true });
      told.of++;
      if (layer === undefined) {
        expect(file).toBeUndefined();
        continue;
      }
      told.plain++;
      const root = openRoot(layers[layer]!);
      expect(shown(root, path), `seed ${seed}, ${path}`).toEqual(shown(whole, path));
      const isFile = ((nativeFs.statInRoot(whole, path, false)?.mode ?? 0) & 0o170000) === 0o100000;
      expect(file, `seed ${seed}, ${path}`).toBe(isFile ? layer : undefined);
      if (isFile) told.files++;
    }
    nativeFs.close(whole);
  }
  // Else the test would show nothing.
  expect(told.plain / told.of).toBeGreaterThan(0.4);
  expect(told.files).toBeGreaterThan(30);
});

test("links, whiteouts, special files, marks of overlayfs and paths that are none are left to it", () => {
  const base = temporaryFolder();
  const [top, bottom] = [`${base}/top`, `${base}/bottom`];
  for (const folder of [`${top}/d`, `${top}/moved`, `${bottom}/d`, `${bottom}/only`])
    mkdirSync(folder, { recursive: true });
  symlinkSync("d", `${top}/link`);
  writeFileSync(`${bottom}/d/below`, "");
  writeFileSync(`${bottom}/link`, "");
  writeFileSync(`${bottom}/gone`, "");
  writeFileSync(`${top}/file`, "");
  writeFileSync(`${top}/partial`, "");
  execFileSync("mknod", [`${top}/gone`, "c", "0", "0"]);
  execFileSync("mkfifo", [`${top}/pipe`]);
  execFileSync("setfattr", ["-n", "trusted.overlay.metacopy", `${top}/partial`]);
  execFileSync("setfattr", ["-n", "trusted.overlay.redirect", "-v", "/d", `${top}/moved`]);
  const at = (path: string) => nativeFs.plainLayer([top, bottom], path, SURELY);
  for (const path of [
    "link",
    "link/x",
    "gone",
    "pipe",
    "partial",
    "moved/x",
    "file/x",
    "d/below",
    "d/../file",
    "./file",
    "d//x",
    `${"n".repeat(256)}`,
  ])
    expect(at(path), path).toBeUndefined();
  expect([at(""), at("file"), at("d"), at("d/new"), at("only"), at("only/new"), at("new/new")]).toEqual([
    0, 0, 0, 0, 1, 1, 0,
  ]);
  // In a user namespace other marks count, and these are for nobody.
  expect(nativeFs.plainLayer([top, bottom], "partial", { userxattr: true, isFile: true })).toBe(0);
});

test("what lies below an opaque folder is not there", () => {
  const base = temporaryFolder();
  const [top, bottom] = [`${base}/top`, `${base}/bottom`];
  for (const folder of [`${top}/d`, `${bottom}/d`]) mkdirSync(folder, { recursive: true });
  writeFileSync(`${bottom}/d/hidden`, "");
  const at = () => nativeFs.plainLayer([top, bottom], "d/hidden", SURELY);
  expect(at()).toBeUndefined();
  execFileSync("setfattr", ["-n", "trusted.overlay.opaque", "-v", "y", `${top}/d`]);
  expect(at()).toBe(0);
  // "x": files in it may be whiteouts.
  execFileSync("setfattr", ["-n", "trusted.overlay.opaque", "-v", "x", `${top}/d`]);
  expect(at()).toBeUndefined();
});
