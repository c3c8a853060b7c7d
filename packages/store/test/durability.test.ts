import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SnapshotId } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import type { CacheKeyId, ResultId } from "@tsbuild/solver";
import { fsck, openStore, type Store } from "@tsbuild/store";
import { describe, expect, it, onTestFinished } from "vitest";
import { mayStay } from "../src/settle.ts";
import { layer, names, temporaryRoot } from "./world.ts";

type Options = Omit<Parameters<typeof openStore>[0], "root">;

function openIn(root: string, boot: string, options: Options = {}): Store {
  const store = openStore({ root, boot: () => boot, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** What the disk has at this moment, as after a power cut: no process has it open, no lock is held. */
function cutOff(root: string): string {
  const copy = join(temporaryRoot(), "state");
  cpSync(root, copy, { recursive: true });
  return copy;
}

function keyOf(snapshot: SnapshotId): CacheKeyId {
  return `key of ${snapshot}` as CacheKeyId;
}

function record(store: Store, snapshot: SnapshotId): void {
  const result = `snapshot:${snapshot}` as ResultId;
  const rest = { createdAt: 1, description: "RUN true", durationMs: 1, fields: [] };
  store.cache.save({ links: [], records: [{ key: keyOf(snapshot), result, ...rest }] });
  store.cache.flush?.();
}

const isThere = (store: Store, id: SnapshotId): boolean => store.snapshots.exists(id);

describe("power cuts", () => {
  it("cost nothing that was committed before the store was closed", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday");
    const id = layer(store, null);
    await store.close();
    const next = openIn(cutOff(root), "tuesday");
    expect(isThere(next, id)).toBe(true);
    expect(await fsck(next)).toEqual([]);
  });

  it("take layers that were not synced, and all that was made on them", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday");
    const base = layer(store, null);
    await store.close();
    const again = openIn(root, "monday");
    const lost = layer(again, base);
    const child = layer(again, lost);
    record(again, base);
    record(again, child);
    const next = openIn(cutOff(root), "tuesday");
    expect([base, lost, child].map((id) => isThere(next, id))).toEqual([true, false, false]);
    expect(await fsck(next)).toEqual([]);
    expect(names(next.root, "snapshots")).toHaveLength(1);
    expect(next.cache.records(keyOf(base))).toHaveLength(1);
    expect(next.cache.records(keyOf(child))).toEqual([]);
    expect(next.cache.trace?.(keyOf(child))?.evicted?.by).toBe("a restart before it was on disk");
  });

  it("are no kills: the same kernel still has everything, and the next build syncs it", async () => {
    const root = temporaryRoot();
    const killed = layer(openIn(root, "monday"), null);
    const here = cutOff(root);
    const next = openIn(here, "monday");
    expect(isThere(next, killed)).toBe(true);
    layer(next, killed);
    await next.close();
    expect(isThere(openIn(cutOff(here), "tuesday"), killed)).toBe(true);
  });

  it("do not touch what a living process of another machine holds", () => {
    const root = temporaryRoot();
    const id = layer(openIn(root, "one machine"), null);
    expect(isThere(openIn(root, "another machine"), id)).toBe(true);
  });

  it("leave the marks when the disk fails to take the data", async () => {
    const root = temporaryRoot();
    const failing = { ...nativeFs, syncFs: () => Promise.reject(new Error("EIO")) };
    const store = openStore({ root, boot: () => "monday", native: failing });
    const id = layer(store, null);
    await expect(store.close()).rejects.toMatchObject({ code: "TSB_STORE" });
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(false);
  });

  it("cost nothing of what was synced before the store is closed, and what is committed later is synced as well", async () => {
    const root = temporaryRoot();
    const synced = Promise.withResolvers<void>();
    const syncFs = (fd: number) => nativeFs.syncFs(fd).then(synced.resolve);
    const store = openIn(root, "monday", { native: { ...nativeFs, syncFs } });
    const early = layer(store, null);
    store.beginSync();
    await synced.promise;
    // The marks go right after it, in a turn of their own.
    await new Promise(setImmediate);
    expect(isThere(openIn(cutOff(root), "tuesday"), early)).toBe(true);
    const late = layer(store, early);
    await store.close();
    expect(isThere(openIn(cutOff(root), "tuesday"), late)).toBe(true);
  });

  it("leave the marks when a sync that was begun early fails, and closing tells of it", async () => {
    const root = temporaryRoot();
    const failing = { ...nativeFs, syncFs: () => Promise.reject(new Error("EIO")) };
    const store = openStore({ root, boot: () => "monday", native: failing });
    const id = layer(store, null);
    store.beginSync();
    await expect(store.close()).rejects.toMatchObject({ code: "TSB_STORE" });
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(false);
  });

  it("find the more of a large layer on the disk the sooner that is begun, once at a time", async () => {
    const root = temporaryRoot();
    const ends: (() => void)[] = [];
    const native = { ...nativeFs, syncFs: () => new Promise<void>((resolve) => void ends.push(resolve)) };
    const store = openIn(root, "monday", { native });
    const active = store.snapshots.prepare(null);
    store.snapshots.filled(active);
    store.snapshots.filled(active);
    await expect.poll(() => ends.length).toBe(1);
    const id = store.snapshots.commit(active);
    const closing = store.close();
    ends[0]?.();
    await expect.poll(() => ends.length).toBe(2);
    // What was begun before the commit says nothing of it.
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(false);
    ends[1]?.();
    await closing;
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(true);
  });

  it("leave the marks when it failed ahead of the commit, since the disk tells of that only once", async () => {
    const root = temporaryRoot();
    let calls = 0;
    const syncFs = () => (calls++ === 0 ? Promise.reject(new Error("EIO")) : Promise.resolve());
    const store = openStore({ root, boot: () => "monday", native: { ...nativeFs, syncFs } });
    const active = store.snapshots.prepare(null);
    store.snapshots.filled(active);
    const id = store.snapshots.commit(active);
    await expect(store.close()).rejects.toMatchObject({ code: "TSB_STORE" });
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(false);
  });

  it("are not looked for on the disk by a process that has committed nothing", async () => {
    const root = temporaryRoot();
    const synced: number[] = [];
    const native = { ...nativeFs, syncFs: async (fd: number) => void synced.push(fd) };
    const store = openIn(root, "monday", { native });
    await store.close();
    expect(synced).toEqual([]);
    const building = openIn(root, "monday", { native });
    layer(building, layer(building, null));
    await building.close();
    expect(synced).toHaveLength(1);
  });
});

const settle = fileURLToPath(new URL("../../../native/build/tsbuild-settle", import.meta.url));
const cannot = mayStay() ? undefined : "in a container nothing stays after its first process";
if (cannot !== undefined) console.warn(`skipped: what is left to a program that stays: ${cannot}`);

describe.skipIf(cannot !== undefined)("power cuts, where a program stays to wait for the disk,", () => {
  const withSettle: Options = { settleProgram: () => settle };
  /** One that never gets to do it, as when the machine stops. */
  const stopped: Options = { settleProgram: () => "/bin/true" };

  const marks = (root: string): string[] => names(root, "syncs").map((name) => name.replace(/.*\./, ""));

  /** What that program leaves where the disk does not take the data. */
  function failDisk(root: string, layers: readonly number[]): void {
    mkdirSync(join(root, "v1/syncs"), { recursive: true });
    writeFileSync(join(root, "v1/syncs/0123456789abcdef.failed"), JSON.stringify({ boot: "monday", layers }));
  }

  it("cost nothing once that has ended, and the trash is empty then", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday", withSettle);
    const id = layer(store, null);
    writeFileSync(join(store.temporaryFolder(), "some"), "text");
    await store.close();
    await expect.poll(() => marks(root), { timeout: 10_000 }).toEqual(["done"]);
    await expect.poll(() => names(root, "trash"), { timeout: 10_000 }).toEqual([]);
    const next = openIn(cutOff(root), "tuesday");
    expect(isThere(next, id)).toBe(true);
    expect(names(next.root, "syncs")).toEqual([]);
    expect(await fsck(next)).toEqual([]);
  });

  it("take what it did not get to bring there", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday", stopped);
    const id = layer(store, null);
    await store.close();
    expect(marks(root)).toEqual(["begun"]);
    const next = openIn(cutOff(root), "tuesday");
    expect(isThere(next, id)).toBe(false);
    expect(names(next.root, "syncs")).toEqual([]);
    expect(isThere(openIn(root, "monday"), id)).toBe(true);
  });

  it("find on the disk what a later one has brought there too, and the marks of both are gone after the next", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday", stopped);
    const early = layer(store, null);
    await store.close();
    const again = openIn(root, "monday", withSettle);
    const late = layer(again, null);
    await again.close();
    await expect.poll(() => marks(root).sort(), { timeout: 10_000 }).toEqual(["begun", "done"]);
    const third = openIn(root, "monday", withSettle);
    layer(third, null);
    await third.close();
    await expect.poll(() => marks(root), { timeout: 10_000 }).toEqual(["done"]);
    const next = openIn(cutOff(root), "tuesday");
    expect([early, late].map((id) => isThere(next, id))).toEqual([true, true]);
  });

  it("are not what a disk does that fails: the layers go at once, whatever started the kernel", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday", stopped);
    const base = layer(store, null);
    const child = layer(store, base);
    record(store, child);
    await store.close();
    failDisk(root, [1]);
    const next = openIn(root, "monday");
    expect([base, child].map((id) => isThere(next, id))).toEqual([false, false]);
    expect(next.cache.trace?.(keyOf(child))?.evicted?.by).toBe("a disk that failed to take it");
  });

  it("do not touch layers that failed once and were made anew by another kernel", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "tuesday");
    const id = layer(store, null);
    failDisk(root, [1]);
    await store.close();
    expect(isThere(openIn(root, "tuesday"), id)).toBe(true);
  });

  it("are waited for here when it cannot be started", async () => {
    const root = temporaryRoot();
    const store = openIn(root, "monday", { settleProgram: () => "/no/such/program" });
    const id = layer(store, null);
    await store.close();
    expect(marks(root)).toEqual([]);
    expect(isThere(openIn(cutOff(root), "tuesday"), id)).toBe(true);
  });

  it("are nothing to a process that has committed nothing: it starts none", async () => {
    const root = temporaryRoot();
    const started: string[] = [];
    const native = {
      ...nativeFs,
      startProgram: (...call: Parameters<typeof nativeFs.startProgram>) => {
        started.push(call[1]);
        return nativeFs.startProgram(...call);
      },
    };
    await openIn(root, "monday", { ...withSettle, native }).close();
    expect(started).toEqual([]);
    const store = openIn(root, "monday", { ...withSettle, native });
    store.temporaryFolder();
    await store.close();
    expect(started).toEqual([""]);
  });
});
