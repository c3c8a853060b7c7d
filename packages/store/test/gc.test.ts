import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DiffId, type Digest, type SnapshotId, sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci";
import type { CacheKeyId, ResultId } from "@tsbuild/solver";
import {
  type Automatic,
  type CollectRequest,
  collectAfterBuild,
  collectCache,
  diskUsage,
  fsck,
  fsckStore,
  mountTransfer,
  type Store,
  watchNeeds,
} from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { Layout } from "../src/layout.ts";
import { migrateSchema } from "../src/schema.ts";
import { layer, names, openAt, temporaryRoot } from "./world.ts";

const never = new AbortController().signal;

const all: CollectRequest = {
  limits: {},
  everything: true,
  all: false,
  dryRun: false,
  by: "prune",
  wait: never,
};

/** A recorded step on `parent` that takes `kib` on disk. */
function step(store: Store, name: string, parent: SnapshotId | null, kib = 4): SnapshotId {
  const active = store.snapshots.prepare(parent);
  writeFileSync(join(active.upper, "data"), Buffer.alloc(kib * 1024, name));
  const id = store.snapshots.commit(active);
  const record = {
    key: `key ${name}` as CacheKeyId,
    result: `snapshot:${id}` as ResultId,
    createdAt: Date.now(),
    description: name,
    fields: [{ name: "args", value: name }],
    durationMs: 100,
  };
  store.cache.save({ links: [], records: [record] });
  return id;
}

/** One build of a project: its steps, one on the other. */
async function build(root: string, project: string, steps: readonly string[], kib = 4): Promise<void> {
  const store = openAt(root);
  const needs = watchNeeds(store);
  let parent: SnapshotId | null = null;
  for (const name of steps) parent = step(store, name, parent, kib);
  needs.finish(project);
  await store.close();
}

const described = (usage: { readonly records: readonly { readonly description: string }[] }): string[] =>
  usage.records.map(({ description }) => description);

describe("a state folder of the version before", () => {
  it("is taken over with what is in it", async () => {
    const root = temporaryRoot();
    const sql: string[] = [];
    migrateSchema(0, (text) => sql.push(text));
    new Layout(root).create();
    const db = new DatabaseSync(join(root, "v1", "state.db"));
    db.exec("PRAGMA journal_mode=WAL");
    db.exec(sql[0] ?? "");
    db.exec("PRAGMA user_version=1");
    db.exec("INSERT INTO memo VALUES('kind', 'key', 1, 'old')");
    db.close();
    const store = openAt(root);
    expect(Buffer.from(store.memo.get("kind", "key") ?? []).toString()).toBe("old");
    expect(step(store, "one", null)).toBe("1");
    expect(described(await diskUsage(store))).toContain("one");
  });
});

describe("disk usage", () => {
  it("measures layers and says what keeps each", async () => {
    const root = temporaryRoot();
    await build(root, "/src/app", ["one", "two"], 64);
    const store = openAt(root);
    const held = store.snapshots.hold("1" as SnapshotId);
    const { records, totalBytes } = await diskUsage(store);
    const [one, two] = ["one", "two"].map((name) => records.find(({ description }) => description === name));
    expect(one?.sizeBytes).toBeGreaterThanOrEqual(64 * 1024);
    expect(totalBytes).toBeGreaterThan(2 * 64 * 1024);
    expect(one?.heldBy.map(({ text }) => text)).toEqual([
      `process ${process.pid}`,
      "build of /src/app",
      "snapshot 2 on it",
    ]);
    expect(two?.heldBy).toEqual([{ kind: "build", text: "build of /src/app" }]);
    expect(two).toMatchObject({ type: "regular", inUse: false, shared: false, parents: ["snapshot:1"] });
    held.release();
  });

  it("counts nothing of a layer that is gone", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const base = layer(store, null, "a");
    for (const folder of store.snapshots.lowers(base)) rmSync(dirname(folder), { recursive: true });
    const { records } = await diskUsage(store);
    expect(records.find(({ id }) => id === `snapshot:${base}`)?.sizeBytes).toBe(0);
  });

  it("counts a file with several names once, and a layer of two snapshots once", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const base = layer(store, null, "a");
    const top = layer(store, null, "b");
    store.snapshots.stack(base, await store.snapshots.wholeLayers(top));
    const { records } = await diskUsage(store);
    const sizes = records
      .filter(({ id }) => id.startsWith("snapshot:"))
      .map(({ sizeBytes }) => sizeBytes > 0);
    expect(sizes).toEqual([true, true, false]);
  });
});

describe("collection", () => {
  it("leaves what the last builds of each project need, and removes the rest with a reason", async () => {
    const root = temporaryRoot();
    for (const n of [1, 2, 3, 4]) await build(root, "/a", [`a${n}`]);
    await build(root, "/b", ["b1"]);
    const store = openAt(root);
    const report = await collectCache(store, all);
    expect(report?.removed.map(({ record, why }) => [record.description, why])).toEqual([
      ["a1", "nothing keeps it"],
    ]);
    const left = described(await diskUsage(store));
    expect(left).toEqual(expect.arrayContaining(["a2", "a3", "a4", "b1"]));
    expect(left).not.toContain("a1");
    expect(await fsck(store)).toEqual([]);
  });

  it("builds that need the same count once", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["old"]);
    for (let i = 0; i < 5; i++) {
      const store = openAt(root);
      const needs = watchNeeds(store);
      store.cache.records("key old" as CacheKeyId);
      needs.finish("/a");
      await store.close();
    }
    await build(root, "/a", ["new"]);
    const store = openAt(root);
    expect((await collectCache(store, all))?.removed).toEqual([]);
  });

  it("with all spares images and running builds only", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["a1", "a2"]);
    const running = openAt(root);
    running.snapshots.hold("1" as SnapshotId);
    const store = openAt(root);
    const report = await collectCache(store, { ...all, all: true });
    expect(report?.removed.map(({ record }) => record.description)).toEqual(["a2"]);
    await running.close();
    expect((await collectCache(store, { ...all, all: true }))?.removed).toHaveLength(1);
    expect(names(root, "snapshots")).toEqual([]);
  });

  it("stops at the ceiling; what frees most per second goes first", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    step(first, "small", null, 16);
    step(first, "large", null, 512);
    step(first, "middle", null, 64);
    await first.close();
    const store = openAt(root);
    const { totalBytes } = await diskUsage(store);
    const limits = { maxBytes: totalBytes - 100 * 1024 };
    const dry = await collectCache(store, { ...all, everything: false, limits, dryRun: true });
    expect(dry?.removed.map(({ record, why }) => [record.description, why])).toEqual([
      ["large", "over the ceiling"],
    ]);
    expect(described(await diskUsage(store))).toContain("large");
    const real = await collectCache(store, { ...all, everything: false, limits });
    expect(real?.removed).toHaveLength(1);
    expect(real?.usedBytes).toBeLessThanOrEqual(limits.maxBytes);
  });

  it("leaves a trace from which a later miss is explained", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    step(first, "RUN make", null);
    await first.close();
    const store = openAt(root);
    await collectCache(store, { ...all, by: "gc" });
    expect(store.cache.records("key RUN make" as CacheKeyId)).toEqual([]);
    expect(store.cache.newestLike("RUN make")).toMatchObject({
      fields: [{ name: "args", value: "RUN make" }],
      evicted: { by: "gc" },
    });
    step(store, "RUN make", null);
    expect(store.cache.newestLike("RUN make")?.evicted).toBeUndefined();
  });

  it("gives way to another collection, and to what a build came to need meanwhile", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const native = openAt(root);
    const running = collectCache(store, all);
    expect(await collectCache(native, { ...all, wait: undefined })).toBeUndefined();
    expect(await running).toBeDefined();
  });
});

const automatic: Automatic = {
  max: { bytes: 1024 ** 4 },
  minFree: { bytes: 0 },
  reserved: { bytes: 0 },
  unusedForMs: 60 * 86_400_000,
  sources: { bytes: 1024 ** 4, unusedForMs: 0 },
  mountBytes: {},
  keptBuilds: 1,
};

describe("collection after a build", () => {
  it("looks once, and then only when the folder may have passed its ceiling", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["a1"], 300);
    const store = openAt(root);
    rmSync(join(root, "v1", "gc.json"));
    expect(await collectAfterBuild(store, automatic)).toMatchObject({ removed: [] });
    expect(await collectAfterBuild(store, automatic)).toBeUndefined();
    await build(root, "/a", ["a2"], 300);
    const { totalBytes } = await diskUsage(store);
    // Others may make room on the disk meanwhile: new layers are measured, by whoever asks first.
    const looked = join(root, "v1", "gc.json");
    writeFileSync(looked, JSON.stringify({ ...JSON.parse(readFileSync(looked, "utf8")), freeBytes: 0 }));
    const report = await collectAfterBuild(store, { ...automatic, max: { bytes: totalBytes - 250_000 } });
    expect(report?.removed.map(({ record }) => record.description)).toEqual(["a1"]);
    expect(report?.removed[0]?.why).toBe("over the ceiling");
  });

  it("does not look into a folder that it has seen made, unless the ceiling is near or much time has passed", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["a1"], 300);
    const store = openAt(root);
    expect(await collectAfterBuild(store, automatic)).toBeUndefined();
    const near = { ...automatic, max: { bytes: 3e9 } };
    expect(await collectAfterBuild(store, near)).toMatchObject({ usedBytes: expect.any(Number) });
    const looked = join(root, "v1", "gc.json");
    const measuredAt = Date.now() - 2 * 3_600_000;
    const made = { at: measuredAt, measuredAt, lookBytes: 0, usedBytes: 0, layerBytes: 0, freeBytes: 0 };
    writeFileSync(looked, JSON.stringify(made));
    expect((await collectAfterBuild(store, automatic))?.usedBytes).toBeGreaterThan(300_000);
    // What was written since counts, where it brings the ceiling near.
    writeFileSync(looked, JSON.stringify({ ...made, measuredAt: Date.now(), freeBytes: 1024 ** 5 }));
    expect(await collectAfterBuild(store, automatic)).toBeDefined();
  });

  it("does not pass the ceiling over what the last builds need", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["a1"]);
    const store = openAt(root);
    const report = await collectAfterBuild(store, { ...automatic, max: { bytes: 1 } });
    expect(report?.removed).toEqual([]);
    expect(report?.heldBytes).toBeGreaterThan(0);
  });

  it("a state that was cut short is as none", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    writeFileSync(join(root, "v1", "gc.json"), '{"at":1');
    expect(await collectAfterBuild(store, automatic)).toBeDefined();
    expect(JSON.parse(readFileSync(join(root, "v1", "gc.json"), "utf8"))).toMatchObject({
      usedBytes: expect.any(Number),
    });
  });
});

describe("repair", () => {
  it("drops what is lost with all that was made on it", async () => {
    const root = temporaryRoot();
    await build(root, "/a", ["a1", "a2"]);
    const store = openAt(root);
    rmSync(join(root, "v1", "snapshots", "1"), { recursive: true });
    mkdirSync(join(root, "v1", "snapshots", "99"));
    mkdirSync(join(root, "v1", "cache-mounts", "7"));
    const blob = store.blobs.write(Buffer.from("good"));
    writeFileSync(store.blobs.path(blob), "evil");
    const before = await fsckStore(store, { deep: true, repair: false });
    expect(before.problems.map(({ kind, repaired }) => [kind, repaired]).sort()).toEqual([
      ["blob", false],
      ["cache-mount", false],
      ["layer", false],
      ["layer", false],
    ]);
    const { problems } = await fsckStore(store, { deep: true, repair: true });
    expect(problems.every(({ repaired }) => repaired)).toBe(true);
    expect(await fsck(store)).toEqual([]);
    expect(store.cache.records("key a2" as CacheKeyId)).toEqual([]);
    expect(names(root, "snapshots")).toEqual([]);
  });

  it("shallow, it reads no blob", async () => {
    const store = openAt(temporaryRoot());
    const blob = store.blobs.write(Buffer.from("good"));
    writeFileSync(store.blobs.path(blob), "evil");
    expect((await fsckStore(store, { deep: false, repair: false })).problems).toEqual([]);
  });
});

describe("cache mounts that travel", () => {
  async function fill(store: Store, id: string, content: string): Promise<void> {
    const mount = await store.cacheMounts.acquire({ id, sharing: "shared", reset: false, signal: never });
    writeFileSync(join(mount.folder, "file"), content);
    mount.release();
  }

  it("go out as a tar and come in as a whole", async () => {
    const store = openAt(temporaryRoot());
    await fill(store, "/go", "one");
    const mounts = mountTransfer(store);
    const { inUse, tar } = mounts.export("go", never);
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar) chunks.push(Buffer.from(chunk));
    expect(inUse).toBe(false);
    const other = openAt(temporaryRoot());
    await fill(other, "/go", "old");
    await mountTransfer(other).import(
      "go",
      (async function* () {
        yield* chunks;
      })(),
      never,
    );
    const mount = await other.cacheMounts.acquire({
      id: "/go",
      sharing: "locked",
      reset: false,
      signal: never,
    });
    expect(mount.created).toBe(false);
    expect(readFileSync(join(mount.folder, "file"), "utf8")).toBe("one");
    mount.release();
    expect(await mountTransfer(other).list()).toHaveLength(1);
  });

  it("are called as their steps call them, whose graphs put a slash before", async () => {
    const store = openAt(temporaryRoot());
    await fill(store, "/go", "id=go");
    await fill(store, "//go", "target=/go");
    const mounts = mountTransfer(store);
    expect((await mounts.list()).map(({ id }) => id)).toEqual(["go", "/go"]);
    expect(mounts.remove("/go")).toEqual({ removed: 1, busy: 0 });
    expect((await mounts.list()).map(({ id }) => id)).toEqual(["go"]);
    // A slash too many finds what is there.
    expect(mounts.remove("/go")).toEqual({ removed: 1, busy: 0 });
    expect(() => mounts.remove("nothing")).toThrow(/no cache mount has the id "nothing"/);
    await mounts.import("/root/.npm", emptyTar(), never);
    const step = { id: "//root/.npm", sharing: "shared", reset: false, signal: never } as const;
    const made = await store.cacheMounts.acquire(step);
    expect(made.created).toBe(false);
    made.release();
  });

  async function* emptyTar(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(1024);
  }

  it("a cut archive changes nothing", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    await fill(store, "/go", "old");
    const cut = (async function* () {
      yield Buffer.alloc(700, 1);
    })();
    await expect(mountTransfer(store).import("go", cut, never)).rejects.toThrow();
    const [folder] = readdirSync(join(root, "v1", "cache-mounts")).filter((name) => !name.includes("."));
    expect(readFileSync(join(root, "v1", "cache-mounts", folder ?? "", "fs", "file"), "utf8")).toBe("old");
  });

  it("an export of a mount in use says so; removal leaves it", async () => {
    const store = openAt(temporaryRoot());
    const mount = await store.cacheMounts.acquire({
      id: "/go",
      sharing: "shared",
      reset: false,
      signal: never,
    });
    mount.seeded();
    const mounts = mountTransfer(store);
    const exported = mounts.export("/go", never);
    expect(exported.inUse).toBe(true);
    for await (const _ of exported.tar) expect(_).toBeDefined();
    expect(mounts.remove("go")).toEqual({ removed: 0, busy: 1 });
    expect(existsSync(mount.folder)).toBe(true);
    mount.release();
    expect(mounts.remove("go")).toEqual({ removed: 1, busy: 0 });
    expect(() => mounts.remove("go")).toThrow(/no cache mount has the id "go"/);
  });
});

/** A build of a project whose step failed; what that left. */
function failedBuild(store: Store, project: string, at: number): { readonly id: string; left: SnapshotId } {
  const active = store.snapshots.prepare(null);
  writeFileSync(join(active.upper, "report"), `${project} ${at}`);
  const left = store.snapshots.commit(active);
  const writer = store.history.begin(1_800_000_000_000 + at);
  writer.write("{}");
  writer.keep({ project, snapshots: [left] });
  writer.close();
  return { id: writer.id, left };
}

describe("what failed steps left", () => {
  const collectAll = (store: Store) => collectCache(store, all);

  /** A process holds what it made as long as it lives. */
  async function madeEarlier<T>(root: string, make: (store: Store) => T): Promise<Awaited<T>> {
    const store = openAt(root);
    const made = await make(store);
    await store.close();
    return made;
  }

  const there = (root: string, ids: readonly SnapshotId[]): Promise<boolean[]> =>
    madeEarlier(root, (store) => ids.map((id) => store.snapshots.exists(id)));

  it("stays, for the last five of a project, until prune --all", async () => {
    const root = temporaryRoot();
    const other = await madeEarlier(root, (store) => failedBuild(store, "/src/other", 0));
    const builds = await madeEarlier(root, (store) =>
      [1, 2, 3, 4, 5, 6].map((at) => failedBuild(store, "/src/app", at).left),
    );
    await madeEarlier(root, collectAll);
    expect(await there(root, [...builds, other.left])).toEqual([false, ...Array(6).fill(true)]);
    const { records } = await madeEarlier(root, (store) => diskUsage(store));
    const why = records.find(({ id }) => id === `snapshot:${other.left}`)?.heldBy;
    expect(why).toEqual([{ kind: "build", text: `the failed step of build ${other.id}` }]);
    await madeEarlier(root, (store) => collectCache(store, { ...all, all: true }));
    expect(await there(root, [...builds, other.left])).toEqual(Array(7).fill(false));
  });

  it("goes when its build is removed from the history, or beyond twenty projects", async () => {
    const root = temporaryRoot();
    const removed = await madeEarlier(root, (store) => failedBuild(store, "/src/app", 50));
    const builds = await madeEarlier(root, (store) => {
      store.history.remove(removed.id);
      return Array.from({ length: 21 }, (_, at) => failedBuild(store, `/tmp/${at}`, at).left);
    });
    await madeEarlier(root, collectAll);
    expect(await there(root, [removed.left, ...builds])).toEqual([false, false, ...Array(20).fill(true)]);
  });
});

describe("the blob of a layer that came from elsewhere", () => {
  /** An image, and a layer of it in a form that is remembered as `variant`. */
  function imageWith(store: Store, variant: string): Digest {
    const base = layer(store, null);
    const diffId = sha256(variant) as string as DiffId;
    store.snapshots.setDiff(store.snapshots.layers(base)[0]!.id, { diffId, sizeBytes: 10 });
    const digest = store.blobs.write(Buffer.from(`blob of ${variant}`));
    store.blobs.setCompressed(diffId, variant, { mediaType: mediaTypes.ociLayerGzip, digest, size: 2 });
    const config = store.blobs.write(Buffer.from(`{"config":"${variant}"}`));
    const snapshot = layer(store, base);
    store.images.put({
      name: `docker.io/library/${variant}:1`,
      manifest: config,
      config,
      snapshot,
      origin: "built",
    });
    return digest;
  }

  it("stays with prune --all while an image has the layer, which packs to other bytes here", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    const [pulled, loaded, made] = ["pulled", "loaded", "gzip-6"].map((variant) => imageWith(first, variant));
    await first.close();
    const store = openAt(root);
    const are = () => readdirSync(join(root, "v1/blobs/sha256")).map((name) => `sha256:${name}` as Digest);
    await collectCache(store, { ...all, all: true });
    expect(are()).toEqual(expect.arrayContaining([pulled, loaded]));
    expect(are()).not.toContain(made);
    for (const { name } of store.images.list()) store.images.remove(name);
    await collectCache(store, { ...all, all: true });
    expect(are()).toEqual([]);
    await store.close();
  });
});
