import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTreeOps, nativeFs, type TreeOp } from "@tsbuild/native-fs";
import type { ContainerConfig, ImageConfig } from "@tsbuild/oci";
import { expect, onTestFinished, test } from "vitest";
import { compareTrees } from "../src/images/anatomy/compare.ts";
import { configDifference } from "../src/images/anatomy/config-difference.ts";
import { dissect } from "../src/images/anatomy/dissect.ts";
import { Largest } from "../src/images/anatomy/largest.ts";
import { LayerStack } from "../src/images/anatomy/layer-stack.ts";

const owner = { uid: process.getuid!(), gid: process.getgid!() };
const { signal } = new AbortController();

const folder = (path: string, mode = 0o755): TreeOp => ({
  type: "folder",
  path,
  mode,
  existing: "replace",
  ...owner,
});
const file = (path: string, text: string, mode = 0o644): TreeOp => ({
  ...{ type: "file", path, mode, existing: "replace", data: Buffer.from(text), mtimeNs: 1n, ...owner },
});
const gone = (path: string): TreeOp => ({ type: "whiteout", path, existing: "replace" });
const opaque = (path: string): TreeOp => ({ type: "opaque", path, existing: "replace", userxattr: true });

let nextId = 1;

/** A layer folder in overlayfs's form. */
async function layer(...ops: readonly TreeOp[]): Promise<{ readonly id: number; readonly folder: string }> {
  const path = mkdtempSync(join(tmpdir(), "anatomy-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const root = nativeFs.openFolder(path);
  await nativeFs.apply(root, -1, encodeTreeOps(ops), { hash: false });
  nativeFs.close(root);
  return { id: nextId++, folder: path };
}

async function stack(
  layers: readonly { readonly id: number; readonly folder: string }[],
): Promise<LayerStack> {
  const opened = await LayerStack.open(nativeFs, layers);
  onTestFinished(() => opened.close());
  return opened;
}

const large = (char: string, bytes: number) => char.repeat(bytes);

test("what later layers delete, replace and hide is wasted, once and by whom", async () => {
  const layers = [
    await layer(
      folder("d"),
      file("d/a", "1234"),
      folder("d/sub"),
      file("d/sub/b", "12345678"),
      file("replaced", "12"),
      file("kept", "1"),
      folder("hidden"),
      file("hidden/old", "123"),
      folder("becomes-file"),
      file("becomes-file/x", "123456"),
    ),
    await layer(folder("d"), file("d/late", "12345"), file("replaced", "123"), file("becomes-file", "1")),
    await layer(gone("d"), folder("hidden"), opaque("hidden"), file("hidden/new", "1234567")),
    await layer(gone("replaced"), gone("never-there")),
  ];
  const { layers: sums, wasted } = await dissect(nativeFs, await stack(layers), signal);
  expect(wasted).toEqual([
    { path: "/d", by: 3, how: "deleted", layers: [1, 2], files: 3, sizeBytes: 17 },
    { path: "/becomes-file", by: 2, how: "overwritten", layers: [1], files: 1, sizeBytes: 6 },
    { path: "/hidden", by: 3, how: "overwritten", layers: [1], files: 1, sizeBytes: 3 },
    { path: "/replaced", by: 4, how: "deleted", layers: [2], files: 1, sizeBytes: 3 },
    { path: "/replaced", by: 2, how: "overwritten", layers: [1], files: 1, sizeBytes: 2 },
  ]);
  expect(sums).toEqual([
    { files: 6, fileBytes: 24, wastedBytes: 23 },
    { files: 3, fileBytes: 9, wastedBytes: 8 },
    { files: 1, fileBytes: 7, wastedBytes: 0 },
    { files: 0, fileBytes: 0, wastedBytes: 0 },
  ]);
});

test("hard links count once, duplicates are found by content, smaller files are not looked at", async () => {
  const same = large("x", 20_000);
  const layers = [
    await layer(
      file("one", same),
      { type: "hardlink", path: "link", to: "one", existing: "replace" },
      file("other", large("y", 20_000)),
      file("small", "s"),
    ),
    await layer(file("two", same), file("again", "s"), file("other", large("y", 20_000), 0o755)),
  ];
  const {
    layers: sums,
    duplicates,
    duplicateBytes,
    largest,
  } = await dissect(nativeFs, await stack(layers), signal);
  expect(sums[0]).toEqual({ files: 3, fileBytes: 40_001, wastedBytes: 20_000 });
  expect(duplicates).toEqual([
    {
      sizeBytes: 20_000,
      wastedBytes: 20_000,
      places: [
        { path: expect.stringMatching(/^\/(one|link)$/), layer: 1 },
        { path: "/two", layer: 2 },
      ],
    },
  ]);
  expect(duplicateBytes).toBe(20_000);
  expect(largest.map(({ sizeBytes }) => sizeBytes)).toEqual([20_000, 20_000, 20_000, 20_000, 1, 1]);
});

test("the difference: what is there in the end, with sums of whole folders", async () => {
  const base = await layer(
    folder("same"),
    file("same/x", "1"),
    file("mode", "1"),
    file("text", "12"),
    folder("old"),
    file("old/a", "12"),
    folder("old/b"),
    file("old/b/c", "345"),
  );
  const from = await stack([base, await layer(file("from", "12345"))]);
  const to = await stack([
    base,
    await layer(
      file("mode", "1", 0o600),
      file("text", "21"),
      gone("old"),
      folder("new"),
      file("new/n", "1234"),
    ),
  ]);
  expect(await compareTrees(nativeFs, { from, to }, signal)).toEqual({
    added: 1,
    removed: 2,
    changed: 2,
    paths: [
      { path: "/from", type: "removed", fromBytes: 5, toBytes: 0 },
      { path: "/old", type: "removed", fromBytes: 5, toBytes: 0, files: 2 },
      { path: "/new", type: "added", fromBytes: 0, toBytes: 4, files: 1 },
      { path: "/mode", type: "changed", fromBytes: 1, toBytes: 1, what: ["mode"] },
      { path: "/text", type: "changed", fromBytes: 2, toBytes: 2, what: ["content"] },
    ],
  });
});

test("the same tree in other layers is no difference", async () => {
  const from = await stack([await layer(folder("d"), file("d/a", "1"), file("d/b", "2"))]);
  const to = await stack([
    await layer(folder("d"), file("d/a", "1"), file("d/c", "3")),
    await layer(folder("d"), gone("d/c")),
    await layer(folder("d"), file("d/b", "2")),
  ]);
  expect(await compareTrees(nativeFs, { from, to }, signal)).toMatchObject({ paths: [], added: 0 });
});

test("configs are compared name by name", () => {
  const image = (config: ContainerConfig): ImageConfig => ({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [] },
    config,
  });
  const from = image({
    Env: ["PATH=/bin", "A=1"],
    Labels: { l: "1" },
    Cmd: ["sh"],
    ExposedPorts: { "80/tcp": {} },
  });
  const to = image({ Env: ["A=2", "PATH=/bin"], Labels: { l: "1", m: "2" }, Cmd: ["sh"], User: "me" });
  expect(configDifference(from, to)).toEqual([
    { field: "Env.A", from: "1", to: "2" },
    { field: "ExposedPorts.80/tcp", from: "exposed", to: undefined },
    { field: "Labels.m", from: undefined, to: "2" },
    { field: "User", from: undefined, to: "me" },
  ]);
});

test("the largest of many are kept, whatever order they come in", () => {
  const kept = new Largest<number>(3, { bytes: (item) => item, name: String });
  for (const item of [5, 1, 9, 7, 7, 3, 8, 2]) kept.add(item);
  expect(kept.list()).toEqual([9, 8, 7]);
});
