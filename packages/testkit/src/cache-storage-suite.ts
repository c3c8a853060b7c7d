import type { Digest } from "@tsbuild/base";
import { sha256 } from "@tsbuild/base";
import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, Ref, ResultId } from "@tsbuild/solver";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** A storage that has its results at hand. */
export interface ReadyCacheStorage extends CacheStorage {
  linksTo(child: CacheKeyId): readonly { readonly parent: CacheKeyId; readonly link: CacheLink }[];
  load(record: CacheRecord): Ref | undefined;
}

/** One backend under test, empty at first. */
export interface CacheStorageHarness {
  readonly storage: ReadyCacheStorage;
  /** Stores a new result that nobody holds. */
  makeResult(): ResultId | Promise<ResultId>;
  /** Removes a result as garbage collection would. */
  evict(result: ResultId): void | Promise<void>;
  /** Another view of the same data, as another process would have it. Left out by backends that cannot. */
  readonly reopen?: (() => ReadyCacheStorage | Promise<ReadyCacheStorage>) | undefined;
  readonly close?: (() => void | Promise<void>) | undefined;
}

const key = (name: string) => sha256(`key ${name}`) as string as CacheKeyId;
const op = (name: string): Digest => sha256(`op ${name}`);

function link(changes: Partial<CacheLink> = {}): CacheLink {
  return { op: op("sum"), output: 0, input: 0, selector: "", ...changes };
}

function record(changes: Partial<CacheRecord> & Pick<CacheRecord, "key" | "result">): CacheRecord {
  return { createdAt: 1_000, description: "RUN sum", fields: [], durationMs: 5, ...changes };
}

/** What every `CacheStorage` promises. `factory` makes a fresh, empty backend for each test. */
export function cacheStorageSuite(
  name: string,
  factory: () => CacheStorageHarness | Promise<CacheStorageHarness>,
): void {
  describe(`${name}: cache storage`, () => {
    let harness: CacheStorageHarness;
    let storage: ReadyCacheStorage;
    beforeEach(async () => {
      harness = await factory();
      storage = harness.storage;
    });
    afterEach(() => harness.close?.());

    const saveLink = (parent: string, child: string, changes: Partial<CacheLink> = {}) =>
      storage.save({
        links: [{ parent: key(parent), link: link(changes), child: key(child) }],
        records: [],
      });

    test("an empty storage knows nothing", () => {
      expect(storage.linked(key("a"), link())).toEqual([]);
      expect(storage.records(key("a"))).toEqual([]);
      expect(storage.keysOf("none" as ResultId)).toEqual([]);
      expect(storage.newestLike("RUN sum")).toBeUndefined();
    });

    test("a link leads from its parent to its child", () => {
      saveLink("a", "child");
      expect(storage.linked(key("a"), link())).toEqual([key("child")]);
      expect(storage.linked(key("child"), link())).toEqual([]);
    });

    test.each([
      ["op", { op: op("other") }],
      ["output", { output: 1 }],
      ["input", { input: 1 }],
      ["input of a root", { input: -1 }],
      ["selector", { selector: "/src" }],
    ] as const)("a link with another %s is another link", (_field, changes) => {
      saveLink("a", "child");
      expect(storage.linked(key("a"), link(changes))).toEqual([]);
      saveLink("a", "other", changes);
      expect(storage.linked(key("a"), link(changes))).toEqual([key("other")]);
      expect(storage.linked(key("a"), link())).toEqual([key("child")]);
    });

    test("several children come oldest first, whatever their names", () => {
      const children = ["m", "z", "a", "q", "b"];
      for (const child of children) saveLink("a", child);
      expect(storage.linked(key("a"), link())).toEqual(children.map(key));
      const newest = () =>
        storage.newestLinked?.(key("a"), link()) ?? storage.linked(key("a"), link()).at(-1);
      expect(newest()).toBe(children.map(key).at(-1));
      // Saved again, the first is no newer; nor is it when that has been written.
      storage.save({
        links: [{ parent: key("a"), link: link(), child: children.map(key)[0]! }],
        records: [],
      });
      expect(newest()).toBe(children.map(key).at(-1));
      storage.flush?.();
      expect(newest()).toBe(children.map(key).at(-1));
    });

    test("what is asked of several keys at once is what each leads to, in their order", () => {
      for (const [parent, child] of ["b:one", "a:two", "b:two", "a:one", "c:three"].map((text) =>
        text.split(":"),
      ))
        saveLink(parent!, child!);
      storage.flush?.();
      for (const [parent, child] of ["a:late", "b:one", "c:early"].map((text) => text.split(":")))
        saveLink(parent!, child!);
      saveLink("a", "elsewhere", { input: 1 });
      for (const parents of [["a", "b", "c"], ["c", "none", "b", "a"], ["none"], []].map((list) =>
        list.map(key),
      )) {
        const each = [...new Set(parents.flatMap((parent) => storage.linked(parent, link())))];
        expect(storage.linkedFromAny?.(parents, link()) ?? each).toEqual(each);
      }
    });

    test("a link saved again stays where it was", () => {
      for (const child of ["one", "two", "one"]) saveLink("a", child);
      expect(storage.linked(key("a"), link())).toEqual([key("one"), key("two")]);
    });

    test("the links to a key come newest first, each once", () => {
      for (const parent of ["one", "two", "one"]) saveLink(parent, "child", { selector: parent });
      saveLink("one", "other");
      const link1 = { parent: key("one"), link: link({ selector: "one" }) };
      const link2 = { parent: key("two"), link: link({ selector: "two" }) };
      expect(storage.linksTo(key("child"))).toEqual([link2, link1]);
      expect(storage.linksTo(key("nobody"))).toEqual([]);
    });

    test("a record is returned as it was saved", async () => {
      const saved = record({
        key: key("a"),
        result: await harness.makeResult(),
        createdAt: 1_700_000_000_123,
        description: "[1/2] RUN echo 'ü' \"\n",
        fields: [
          { name: "args", value: "echo 'ü'\n" },
          { name: "args", value: "" },
        ],
        durationMs: 1234,
      });
      storage.save({ links: [], records: [saved] });
      expect(storage.records(key("a"))).toEqual([saved]);
      expect(storage.newestLike(saved.description)).toEqual(saved);
    });

    test("records of a key come newest first", async () => {
      const times = [2_000, 1_000, 3_000];
      for (const createdAt of times) {
        const result = await harness.makeResult();
        storage.save({ links: [], records: [record({ key: key("a"), result, createdAt })] });
      }
      expect(storage.records(key("a")).map((found) => found.createdAt)).toEqual([3_000, 2_000, 1_000]);
    });

    test("of two records of one time the one saved later is newer", async () => {
      const results = [await harness.makeResult(), await harness.makeResult()];
      for (const result of results) storage.save({ links: [], records: [record({ key: key("a"), result })] });
      expect(storage.records(key("a")).map((found) => found.result)).toEqual(results.toReversed());
      expect(storage.newestLike("RUN sum")?.result).toBe(results[1]);
    });

    test("a record that exists is left as it is", async () => {
      const first = record({ key: key("a"), result: await harness.makeResult() });
      storage.save({ links: [], records: [first] });
      storage.save({ links: [], records: [{ ...first, createdAt: 9_000, description: "other" }] });
      expect(storage.records(key("a"))).toEqual([first]);
      expect(storage.newestLike("other")).toBeUndefined();
    });

    test("keysOf lists every key of a result and no other", async () => {
      const result = await harness.makeResult();
      const other = await harness.makeResult();
      storage.save({
        links: [],
        records: [
          record({ key: key("a"), result }),
          record({ key: key("b"), result }),
          record({ key: key("c"), result: other }),
        ],
      });
      expect([...storage.keysOf(result)].sort()).toEqual([key("a"), key("b")].sort());
      expect(storage.keysOf(other)).toEqual([key("c")]);
    });

    test("newestLike looks at the description alone", async () => {
      const save = async (name: string, description: string, createdAt: number) => {
        const saved = record({
          key: key(name),
          result: await harness.makeResult(),
          description,
          createdAt,
        });
        storage.save({ links: [], records: [saved] });
        return saved;
      };
      const newest = await save("a", "RUN make", 5_000);
      await save("b", "RUN make", 4_000);
      await save("c", "RUN make ", 6_000);
      expect(storage.newestLike("RUN make")).toEqual(newest);
    });

    test("links and records of one call arrive together", async () => {
      const result = await harness.makeResult();
      storage.save({
        links: [
          { parent: key("a"), link: link(), child: key("child") },
          { parent: key("b"), link: link({ input: 1 }), child: key("child") },
        ],
        records: [record({ key: key("child"), result })],
      });
      expect(storage.linked(key("a"), link())).toEqual([key("child")]);
      expect(storage.linked(key("b"), link({ input: 1 }))).toEqual([key("child")]);
      expect(storage.records(key("child"))).toHaveLength(1);
    });

    test("load gives a new handle to the result each time", async () => {
      const saved = record({ key: key("a"), result: await harness.makeResult() });
      storage.save({ links: [], records: [saved] });
      const first = storage.load(saved);
      const second = storage.load(saved);
      expect([first?.id, second?.id]).toEqual([saved.result, saved.result]);
      first?.release();
      const clone = second?.clone();
      second?.release();
      expect(clone?.id).toBe(saved.result);
      clone?.release();
    });

    test("load of an evicted result says so, and other results stay", async () => {
      const gone = record({ key: key("a"), result: await harness.makeResult() });
      const kept = record({ key: key("b"), result: await harness.makeResult() });
      storage.save({ links: [], records: [gone, kept] });
      await harness.evict(gone.result);
      expect(storage.load(gone)).toBeUndefined();
      const ref = storage.load(kept);
      expect(ref?.id).toBe(kept.result);
      ref?.release();
    });

    test("another view of the same data sees what was saved, both ways", async (context) => {
      if (harness.reopen === undefined) {
        context.skip("this backend has one view only");
        return;
      }
      const result = await harness.makeResult();
      storage.save({
        links: [{ parent: key("a"), link: link(), child: key("child") }],
        records: [record({ key: key("child"), result })],
      });
      await storage.flushed?.();
      const other = await harness.reopen();
      expect(other.linked(key("a"), link())).toEqual([key("child")]);
      expect(other.records(key("child"))).toEqual(storage.records(key("child")));
      other.save({ links: [{ parent: key("a"), link: link(), child: key("late") }], records: [] });
      other.flush?.();
      expect(storage.linked(key("a"), link())).toEqual([key("child"), key("late")]);
    });
  });
}
