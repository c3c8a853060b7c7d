import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "@tsbuild/base";
import { fsck, type Store } from "@tsbuild/store";
import { describe, expect, it, onTestFinished } from "vitest";
import { layer, names, openAt, temporaryFiles, temporaryRoot } from "./world.ts";

function mount(folder: string, options: string): boolean {
  const args = ["-t", "tmpfs", "-o", options, "tmpfs", folder];
  if (spawnSync("mount", args).status !== 0) return false;
  onTestFinished(() => {
    spawnSync("umount", ["-l", folder]);
  });
  return true;
}

/** A state folder on a filesystem of its own. */
function smallRoot(options: string): string {
  const folder = temporaryRoot();
  expect(mount(folder, options), "mount of a tmpfs").toBe(true);
  return folder;
}

const blocker = (root: string): string => join(root, "blocker");

/** Leaves `free` bytes. */
function fill(root: string, free: number): void {
  const { stdout } = spawnSync("stat", ["-f", "-c", "%a %S", root], { encoding: "utf8" });
  const [blocks = 0, size = 0] = stdout.split(" ").map(Number);
  writeFileSync(blocker(root), Buffer.alloc(Math.max(0, blocks * size - free)));
}

function catchFrom(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < bytes; sent += 65_536) yield Buffer.alloc(65_536);
}

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("disk-full.system.test.ts: skipped: mounting a small tmpfs needs root");

describe.runIf(isRoot)("a full disk", () => {
  const fullError = (root: string): unknown =>
    expect.objectContaining({
      code: "TSB_DISK_FULL",
      message: expect.stringContaining(root),
      hint: expect.stringContaining("tsbuild prune"),
    });

  async function expectSound(store: Store): Promise<void> {
    expect(await fsck(store)).toEqual([]);
    // Work folders of layers go in the background.
    await expect.poll(() => temporaryFiles(store.root), { timeout: 10_000 }).toEqual([]);
  }

  it("ends an ingest, and what is there stays good", async () => {
    const root = smallRoot("size=4m");
    const store = openAt(root);
    const kept = store.blobs.write(Buffer.from("kept"));
    await expect(store.blobs.ingest(zeros(8 * 1024 * 1024))).rejects.toEqual(fullError(root));
    await expectSound(store);
    expect(store.blobs.has(kept)).toBe(true);
    expect(names(root, "blobs/sha256")).toHaveLength(1);
    const small = await store.blobs.ingest(zeros(65_536));
    expect(store.blobs.size(small.digest)).toBe(65_536);
  });

  it("ends a small write", async () => {
    const root = smallRoot("size=2m");
    const store = openAt(root);
    store.blobs.write(Buffer.from("first"));
    fill(root, 4096);
    const bytes = Buffer.alloc(32 * 1024, 1);
    expect(catchFrom(() => store.blobs.write(bytes))).toEqual(fullError(root));
    expect(store.blobs.has(sha256(bytes))).toBe(false);
    await expectSound(store);
  });

  it("ends a transaction whole, and later ones work again", async () => {
    const root = smallRoot("size=4m");
    const store = openAt(root);
    const id = layer(store, null);
    fill(root, 64 * 1024);
    const error = catchFrom(() => {
      for (let i = 0; i < 200; i++) store.memo.set("kind", String(i), Buffer.alloc(16 * 1024));
    });
    expect(error).toEqual(fullError(root));
    expect(store.snapshots.lowers(id)).toHaveLength(1);
    rmSync(blocker(root));
    store.memo.set("kind", "after", Buffer.alloc(16 * 1024));
    await store.close();
    const next = openAt(root);
    expect(next.memo.get("kind", "after")).toBeDefined();
    expect(next.snapshots.exists(id)).toBe(true);
    await expectSound(next);
  });

  it("does not leave half a snapshot", async () => {
    const root = smallRoot("size=4m,nr_inodes=40");
    const store = openAt(root);
    const error = catchFrom(() => {
      for (let i = 0; i < 40; i++) store.snapshots.commit(store.snapshots.prepare(null));
    });
    expect(error).toEqual(fullError(root));
    await expectSound(store);
    await store.close();
    await expectSound(openAt(root));
  });

  it("ends opening", () => {
    const root = smallRoot("size=1m");
    fill(root, 0);
    expect(catchFrom(() => openAt(root))).toEqual(fullError(root));
    rmSync(blocker(root));
    expect(openAt(root).images.list()).toEqual([]);
  });
});

describe.runIf(isRoot)("a read-only filesystem", () => {
  it("ends opening with a hint", async () => {
    const root = smallRoot("size=4m");
    await openAt(root).close();
    expect(spawnSync("mount", ["-o", "remount,ro", root]).status).toBe(0);
    const error = catchFrom(() => {
      const store = openAt(root);
      store.memo.set("kind", "key", Buffer.from("x"));
    });
    expect(error).toMatchObject({ code: "TSB_STORE", hint: expect.stringContaining("--root") });
  });
});
