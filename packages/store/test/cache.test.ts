import { sha256 } from "@tsbuild/base";
import type { CacheKeyId, CacheLink, CacheRecord, ResultId } from "@tsbuild/solver";
import { prune, refForSnapshot, snapshotOf } from "@tsbuild/store";
import { describe, expect, it, vi } from "vitest";
import { layer, openAt, temporaryRoot } from "./world.ts";

const key = (name: string): CacheKeyId => name as CacheKeyId;
const link = (over: Partial<CacheLink> = {}): CacheLink => ({
  op: sha256("op"),
  output: 0,
  input: 0,
  selector: "",
  ...over,
});

function record(over: Partial<CacheRecord>): CacheRecord {
  return {
    key: key("k"),
    result: "scratch" as ResultId,
    createdAt: 1000,
    description: "[1/1] RUN make",
    fields: [{ name: "args", value: '["make"]' }],
    durationMs: 12.5,
    ...over,
  };
}

describe("cache storage", () => {
  it("follows links that are equal in every part, oldest first", () => {
    const { cache } = openAt(temporaryRoot());
    const save = (child: string, over: Partial<CacheLink> = {}): void =>
      cache.save({ links: [{ parent: key("root"), link: link(over), child: key(child) }], records: [] });
    save("z");
    save("a");
    save("z");
    save("input", { input: 1 });
    save("output", { output: 1 });
    save("selector", { selector: "/src" });
    save("op", { op: sha256("other") });
    expect(cache.linked(key("root"), link())).toEqual(["z", "a"]);
    expect(cache.linked(key("root"), link({ input: 1 }))).toEqual(["input"]);
    expect(cache.linked(key("root"), link({ output: 1 }))).toEqual(["output"]);
    expect(cache.linked(key("root"), link({ selector: "/src" }))).toEqual(["selector"]);
    expect(cache.linked(key("z"), link())).toEqual([]);
    expect(cache.linked(key("unknown"), link())).toEqual([]);
  });

  it("gives records back as saved, newest first, and does not replace one", () => {
    const { cache } = openAt(temporaryRoot());
    const old = record({ createdAt: 1 });
    const fresh = record({ createdAt: 2, result: "snapshot:7" as ResultId, fields: [] });
    cache.save({ links: [], records: [fresh, old] });
    cache.save({ links: [], records: [{ ...old, createdAt: 3, description: "again" }] });
    expect(cache.records(key("k"))).toEqual([fresh, old]);
    expect(cache.records(key("other"))).toEqual([]);
  });

  it("knows the keys of a result and the newest record of a description", () => {
    const { cache } = openAt(temporaryRoot());
    const result = "snapshot:7" as ResultId;
    const a = record({ key: key("a"), result, createdAt: 5 });
    const b = record({ key: key("b"), result, createdAt: 4 });
    cache.save({ links: [], records: [a, b] });
    expect(cache.keysOf(result)).toEqual(["a", "b"]);
    expect(cache.newestLike("[1/1] RUN make")).toEqual(a);
    expect(cache.newestLike("[1/1] RUN other")).toBeUndefined();
  });

  it("knows the keys of what was made here as well, once they are saved, and after they are written", async () => {
    const { cache, snapshots } = openAt(temporaryRoot());
    const active = snapshots.prepare(null);
    const result = `snapshot:${snapshots.commit(active)}` as ResultId;
    expect(cache.keysOf(result)).toEqual([]);
    cache.save({ links: [], records: [record({ key: key("a"), result })] });
    expect(cache.keysOf(result)).toEqual(["a"]);
    await cache.flushed?.();
    expect(cache.keysOf(result, 1)).toEqual(["a"]);
  });

  it("saves all of an entry or nothing, and whoever waits hears of it", async () => {
    const { cache } = openAt(temporaryRoot());
    const broken = record({ durationMs: undefined as unknown as number, result: "snapshot:8" as ResultId });
    cache.save({
      links: [{ parent: key("p"), link: link(), child: key("k") }],
      records: [record({}), broken],
    });
    await expect(cache.flushed?.()).rejects.toMatchObject({ code: "TSB_STORE" });
    expect(cache.flushed?.()).toBeUndefined();
    expect(cache.linked(key("p"), link())).toEqual([]);
    expect(cache.records(key("k"))).toEqual([]);
  });

  it("is seen by another process when it is flushed, by itself or when asked to", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    one.cache.save({ links: [], records: [record({})] });
    expect(one.cache.records(key("k"))).toHaveLength(1);
    await one.cache.flushed?.();
    expect(two.cache.records(key("k"))).toHaveLength(1);
    one.cache.save({ links: [], records: [record({ key: key("l") })] });
    one.cache.flush?.();
    expect(one.cache.flushed?.()).toBeUndefined();
    expect(two.cache.records(key("l"))).toHaveLength(1);
  });

  it("finds what is not written yet beside what is, in one order", () => {
    const { cache } = openAt(temporaryRoot());
    const named = (result: string, createdAt: number) => record({ result: result as ResultId, createdAt });
    const entry = (child: string) => ({ parent: key("p"), link: link(), child: key(child) });
    cache.save({
      links: [entry("a"), entry("b")],
      records: [named("snapshot:1", 5), named("snapshot:2", 1)],
    });
    cache.flush?.();
    cache.save({
      links: [entry("b"), entry("c")],
      records: [named("snapshot:1", 9), named("snapshot:3", 3)],
    });
    const found = () => [
      cache.linked(key("p"), link()),
      cache.records(key("k")).map(({ result, createdAt }) => `${result} ${createdAt}`),
      cache.keysOf("snapshot:3" as ResultId),
    ];
    const expected = [["a", "b", "c"], ["snapshot:1 5", "snapshot:3 3", "snapshot:2 1"], ["k"]];
    expect(found()).toEqual(expected);
    cache.flush?.();
    expect(found()).toEqual(expected);
  });

  it("loads a handle that keeps the snapshot while it is open", async () => {
    const root = temporaryRoot();
    const builder = openAt(root);
    const id = layer(builder, null);
    builder.cache.save({ links: [], records: [record({ result: `snapshot:${id}` as ResultId })] });
    await builder.close();

    const [user, pruner] = [openAt(root), openAt(root)];
    const ref = user.cache.load(user.cache.records(key("k"))[0]!)!;
    expect(snapshotOf(ref)).toBe(id);
    await prune(pruner, { all: true });
    expect(user.snapshots.lowers(id)).toHaveLength(1);
    expect(user.cache.records(key("k"))).toHaveLength(1);
    ref.release();
    await prune(pruner, { all: true });
    expect(user.cache.records(key("k"))).toEqual([]);
  });

  it("does not load what is gone or foreign", () => {
    const { cache } = openAt(temporaryRoot());
    for (const result of ["snapshot:99", "snapshot:", "snapshot:1x", "snapshot:01", "image:1"]) {
      expect(cache.load(record({ result: result as ResultId }))).toBeUndefined();
    }
    expect(snapshotOf(cache.load(record({}))!)).toBeNull();
  });

  it("writes down uses once an hour at most", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const root = temporaryRoot();
      const start = Date.now();
      const builder = openAt(root);
      builder.cache.save({ links: [], records: [record({ createdAt: start })] });
      await builder.close();
      const lastUse = async (at: number): Promise<unknown> => {
        vi.setSystemTime(at);
        const store = openAt(root);
        store.cache.load(store.cache.records(key("k"))[0]!)!.release();
        await store.close();
        const { DatabaseSync } = await import("node:sqlite");
        const database = new DatabaseSync(`${root}/v1/state.db`);
        const row = database.prepare("SELECT last_used_at FROM cache_records").get();
        database.close();
        return row?.["last_used_at"];
      };
      const hour = 3_600_000;
      expect(await lastUse(start + hour / 2)).toBe(start);
      expect(await lastUse(start + hour * 2)).toBe(start + hour * 2);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("refs", () => {
  it("hold until the last clone is released", async () => {
    const root = temporaryRoot();
    const builder = openAt(root);
    const id = layer(builder, null);
    builder.cache.save({ links: [], records: [record({ result: `snapshot:${id}` as ResultId })] });
    await builder.close();
    const [user, pruner] = [openAt(root), openAt(root)];
    const ref = refForSnapshot(user, id);
    const clone = ref.clone();
    ref.release();
    await prune(pruner, { all: true });
    expect(pruner.snapshots.lowers(id)).toHaveLength(1);
    clone.release();
    await prune(pruner, { all: true });
    expect(() => pruner.snapshots.lowers(id)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
  });

  it("are released once", () => {
    const store = openAt(temporaryRoot());
    const ref = refForSnapshot(store, layer(store, null));
    ref.release();
    expect(() => ref.release()).toThrow(/second release/);
    expect(() => ref.clone()).toThrow(/released/);
  });

  it("name scratch", () => {
    const store = openAt(temporaryRoot());
    expect(refForSnapshot(store, null).id).toBe("scratch");
    expect(snapshotOf(refForSnapshot(store, null))).toBeNull();
  });

  it("cannot be made of a snapshot that is gone", () => {
    const store = openAt(temporaryRoot());
    expect(() => refForSnapshot(store, "5" as never)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
  });
});
