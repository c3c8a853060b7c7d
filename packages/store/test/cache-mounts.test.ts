import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CacheMountStore, Store } from "@tsbuild/store";
import { prune } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { names, openAt, temporaryRoot } from "./world.ts";

type Sharing = Parameters<CacheMountStore["acquire"]>[0]["sharing"];
type Acquired = Awaited<ReturnType<CacheMountStore["acquire"]>>;

function acquire(
  store: Store,
  sharing: Sharing,
  over: { reset?: boolean; signal?: AbortSignal } = {},
): Promise<Acquired> {
  const signal = over.signal ?? AbortSignal.timeout(5000);
  return store.cacheMounts.acquire({ id: "/root/.npm", sharing, reset: over.reset ?? false, signal });
}

/** A seeded folder with one file. */
async function seed(store: Store, file = "seed"): Promise<string> {
  const mount = await acquire(store, "shared");
  writeFileSync(join(mount.folder, file), "");
  mount.release();
  return mount.folder;
}

async function isBusy(store: Store, sharing: Sharing): Promise<boolean> {
  try {
    (await acquire(store, sharing, { signal: AbortSignal.timeout(40) })).release();
    return false;
  } catch {
    return true;
  }
}

describe("cache mounts", () => {
  it("are new once and keep their content", async () => {
    const store = openAt(temporaryRoot());
    const first = await acquire(store, "shared");
    expect(first.created).toBe(true);
    expect(statSync(first.folder).mode & 0o7777).toBe(0o755);
    writeFileSync(join(first.folder, "file"), "");
    first.release();
    const second = await acquire(store, "locked");
    expect(second.created).toBe(false);
    expect(readdirSync(second.folder)).toEqual(["file"]);
    second.release();
  });

  it("differ by id", async () => {
    const store = openAt(temporaryRoot());
    const signal = AbortSignal.timeout(5000);
    const a = await store.cacheMounts.acquire({ id: "a", sharing: "locked", reset: false, signal });
    const b = await store.cacheMounts.acquire({ id: "b", sharing: "locked", reset: false, signal });
    expect(a.folder).not.toBe(b.folder);
    a.release();
    b.release();
  });

  it("shared: everyone uses one folder at once", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const folder = await seed(one);
    const users = await Promise.all([acquire(one, "shared"), acquire(two, "shared"), acquire(two, "shared")]);
    expect(users.map((user) => user.folder)).toEqual([folder, folder, folder]);
    expect(await isBusy(one, "locked")).toBe(true);
    for (const user of users) user.release();
    expect(await isBusy(one, "locked")).toBe(false);
  });

  it("shared: others wait for the seeding, not for the whole step", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const first = await acquire(one, "shared");
    const waiting = acquire(two, "shared");
    await sleep(20);
    writeFileSync(join(first.folder, "seed"), "");
    first.seeded();
    const second = await waiting;
    expect(second.created).toBe(false);
    expect(readdirSync(second.folder)).toEqual(["seed"]);
    first.release();
    second.release();
  });

  it("locked: one after the other", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const first = await acquire(one, "locked");
    expect(await isBusy(two, "locked")).toBe(true);
    expect(await isBusy(two, "shared")).toBe(true);
    first.release();
    expect(await isBusy(two, "locked")).toBe(false);
  });

  it("private: another folder while the first is busy, reused later", async () => {
    const store = openAt(temporaryRoot());
    const folder = await seed(store);
    const first = await acquire(store, "private");
    const second = await acquire(store, "private");
    expect([first.folder, first.created]).toEqual([folder, false]);
    expect(second.created).toBe(true);
    expect(second.folder).not.toBe(folder);
    first.release();
    second.release();
    const again = [await acquire(store, "private"), await acquire(store, "private")];
    expect(again.map((one) => one.folder)).toEqual([folder, second.folder]);
    for (const one of again) one.release();
  });

  it("rejects on abort and leaves the folder free", async () => {
    const store = openAt(temporaryRoot());
    const held = await acquire(store, "locked");
    await expect(acquire(store, "locked", { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      code: "TSB_CANCELED",
    });
    held.release();
    expect(await isBusy(store, "locked")).toBe(false);
  });

  it.each<Sharing>(["shared", "private", "locked"])(
    "%s: what could not be seeded is new again, and empty",
    async (sharing) => {
      const store = openAt(temporaryRoot());
      const first = await acquire(store, sharing);
      writeFileSync(join(first.folder, "half"), "");
      first.abandon();
      first.release();
      const second = await acquire(store, sharing);
      expect(second.created).toBe(true);
      expect(readdirSync(second.folder)).toEqual([]);
      second.release();
    },
  );

  it("reset: a fresh folder replaces the old (D090)", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const folder = await seed(store);
    const fresh = await acquire(store, "locked", { reset: true });
    expect([fresh.created, readdirSync(fresh.folder)]).toEqual([true, []]);
    expect(existsSync(folder)).toBe(false);
    writeFileSync(join(fresh.folder, "new"), "");
    fresh.release();
    const next = await acquire(store, "shared");
    expect([next.folder, next.created]).toEqual([fresh.folder, false]);
    next.release();
  });

  it("reset: who uses the old folder keeps it until release", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const folder = await seed(one);
    const old = await acquire(one, "locked");
    const fresh = await acquire(two, "locked", { reset: true });
    expect(existsSync(join(folder, "seed"))).toBe(true);
    fresh.release();
    old.release();
    expect(existsSync(folder)).toBe(false);
    expect(names(root, "cache-mounts").filter((name) => !name.includes("."))).toHaveLength(1);
  });

  it("go with prune --all unless in use", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const folder = await seed(store);
    const used = await acquire(store, "shared");
    expect((await prune(store, { all: true })).cacheMounts).toBe(0);
    used.release();
    expect((await prune(store, { all: false })).cacheMounts).toBe(0);
    expect((await prune(store, { all: true })).cacheMounts).toBe(1);
    expect(existsSync(folder)).toBe(false);
    expect(names(root, "cache-mounts")).toEqual([]);
  });
});
