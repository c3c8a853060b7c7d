import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import { type CommitRequest, commitImage, squash } from "@tsbuild/export";
import { nativeFs } from "@tsbuild/native-fs";
import { replayLayer } from "@tsbuild/oci";
import { openStore, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const missing = process.getuid?.() === 0 ? undefined : "they need root (owners, whiteouts)";
if (missing !== undefined) console.log(`skipping the tests of squashed images: ${missing}`);

describe.skipIf(missing !== undefined)("squash", () => {
  let folder = "";
  let store: Store;
  let stack: SnapshotId | null = null;

  /** A layer made through a view, as a step makes it. */
  async function layer(parent: SnapshotId | null, change: (root: number) => void): Promise<SnapshotId> {
    const view = await store.views.prepare(parent);
    change(view.root);
    return view.commit();
  }

  const write = (root: number, path: string, text: string) =>
    nativeFs.writeFileInRoot(root, path, Buffer.from(text), {
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 1_000_000_000n,
    });
  const mkdir = (root: number, path: string) =>
    nativeFs.mkdirInRoot(root, path, { mode: 0o755, uid: 0, gid: 0, mtimeNs: 1_000_000_000n, parents: true });

  beforeAll(async () => {
    folder = mkdtempSync("/var/tmp/tsbuild-squash-");
    store = openStore({ root: join(folder, "state") });
    const base = await layer(null, (root) => {
      for (const path of ["gone", "anew", "kept"]) mkdir(root, path);
      for (const path of ["gone/x", "anew/old", "kept/a", "file"]) write(root, path, "base");
    });
    const first = await layer(base, (root) => {
      write(root, "came-and-went", "x".repeat(100_000));
      write(root, "kept/b", "1");
      nativeFs.removeInRoot(root, "gone");
      nativeFs.removeInRoot(root, "anew");
    });
    const second = await layer(first, (root) => {
      nativeFs.removeInRoot(root, "came-and-went");
      mkdir(root, "anew");
      write(root, "anew/new", "2");
      write(root, "kept/b", "22");
    });
    stack = await layer(second, (root) => nativeFs.removeInRoot(root, "file"));
  });
  afterAll(async () => {
    await store?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  const request = (): CommitRequest => ({
    config: {
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [] },
      history: ["base", "one", "two", "three"].map((created_by) => ({ created_by })),
    },
    snapshot: stack,
    names: [],
    platform: { os: "linux", architecture: "amd64" },
    register: false,
  });

  async function listing(snapshot: SnapshotId | null): Promise<string> {
    if (snapshot === null) return "";
    const out = mkdtempSync(join(folder, "tree-"));
    const view = await store.views.open(snapshot);
    const dest = nativeFs.openFolder(out);
    await replayLayer({ fs: nativeFs, source: view.root, dest });
    nativeFs.close(dest);
    view.close();
    return execFileSync(
      "sh",
      ["-c", "find . -printf '%P %y %m %U:%G %s %T@\\n' | sort; grep -r . . | sort"],
      {
        cwd: out,
        encoding: "utf8",
      },
    );
  }

  test("the same tree in the base's layers and one more; the history agrees", async () => {
    const plain = await commitImage(store, request());
    const squashed = await commitImage(store, await squash(store, request(), { keepLayers: 1 }));
    expect(squashed.layers).toHaveLength(2);
    expect(squashed.layers[0]).toEqual(plain.layers[0]);
    expect(await listing(squashed.snapshot)).toBe(await listing(plain.snapshot));
    const { history = [], rootfs } = squashed.config;
    expect(history.filter(({ empty_layer }) => empty_layer !== true)).toHaveLength(rootfs.diff_ids.length);
    expect(history.map(({ created }) => created).every((created) => created !== undefined)).toBe(true);
  });

  test("the layer has what is different from the base, and nothing of what came and went", async () => {
    const squashed = await commitImage(store, await squash(store, request(), { keepLayers: 1 }));
    const top = squashed.layers[1]?.folder ?? "";
    const names = execFileSync("sh", ["-c", "find . ! -name . -printf '%P %y\\n' | sort"], {
      cwd: top,
      encoding: "utf8",
    });
    expect(names.trim().split("\n")).toEqual([
      "anew d",
      "anew/new f",
      "file c",
      "gone c",
      "kept d",
      "kept/b f",
    ]);
  });

  test("once more it is the same snapshot, and so the same image; made anew the same layer", async () => {
    const once = await squash(store, request(), { keepLayers: 1 });
    expect((await squash(store, request(), { keepLayers: 1 })).snapshot).toBe(once.snapshot);
    const image = await commitImage(store, once);
    store.memo.set(
      "squashed",
      `1:${store.snapshots
        .layers(stack as SnapshotId)
        .map(({ id }) => id)
        .join(",")}`,
      Buffer.from("999999"),
    );
    const anew = await squash(store, request(), { keepLayers: 1 });
    expect(anew.snapshot).not.toBe(once.snapshot);
    expect((await commitImage(store, anew)).imageId).toBe(image.imageId);
  });

  test("from a higher layer on, and not at all when there is only one", async () => {
    const two = await commitImage(store, await squash(store, request(), { keepLayers: 2 }));
    expect(two.layers).toHaveLength(3);
    const asked = request();
    expect(await squash(store, asked, { keepLayers: 3 })).toBe(asked);
    expect(await squash(store, { ...asked, snapshot: null }, { keepLayers: 0 })).toMatchObject({
      snapshot: null,
    });
  });

  test("without a base all is one layer, with no whiteout", async () => {
    const whole = await commitImage(store, await squash(store, request(), { keepLayers: 0 }));
    expect(whole.layers).toHaveLength(1);
    const top = whole.layers[0]?.folder ?? "";
    expect(execFileSync("find", [top, "-type", "c"], { encoding: "utf8" })).toBe("");
  });
});
