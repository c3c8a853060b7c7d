import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DiffId, SnapshotId } from "@tsbuild/base";
import type { CopyAction } from "@tsbuild/llb";
import { encodeTreeOps, nativeFs } from "@tsbuild/native-fs";
import { diskUsage, fsck, openStore, prune, refForSnapshot, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refForContext } from "../src/local/context.ts";
import { COPY, diffId, layerFolder, runActions, viewId, wholeFolder } from "./support/copies.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: incremental copies: needs root");

/** Before now and after all times in the context: what the copy itself makes is packed with this one. */
const EPOCH = 1_600_000_000;
const OLD = EPOCH - 1_000_000;
const FILES = 1100;

/** Repeatable, and the same on every machine (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe.skipIf(!isRoot)("a COPY of much that was copied before", () => {
  let folder: string;
  let context: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-again-"));
    context = join(folder, "ctx");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function fill(files = FILES): void {
    rmSync(context, { recursive: true, force: true });
    for (let i = 0; i < files; i++) {
      const place = join(context, `d${i % 7}`, `e${i % 31}`);
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `f${i}`), `content ${i % 400}`);
    }
    symlinkSync("d0", join(context, "link"));
    for (const path of all()) lutimesSync(path, OLD, OLD);
  }

  function all(): string[] {
    return readdirSync(context, { recursive: true, encoding: "utf8" }).map((path) => join(context, path));
  }

  /** What steps are built on: a folder to copy into that is there and empty, and one that is not. */
  function base(store: Store): SnapshotId {
    const active = store.snapshots.prepare(null);
    for (const path of ["app", "full"]) mkdirSync(join(active.upper, path), { mode: 0o750 });
    writeFileSync(join(active.upper, "full/old"), "old");
    for (const path of ["full/old", "app", "full"]) lutimesSync(join(active.upper, path), OLD, OLD);
    return store.snapshots.commit(active);
  }

  async function copied(store: Store, below: SnapshotId, action: Partial<CopyAction>): Promise<SnapshotId> {
    const inputs = [
      refForSnapshot(store, below),
      refForContext({ name: "context", folder: context, ignore: [] }),
    ];
    const copy = { input: 0, secondaryInput: 1, output: 0, action: { ...COPY, ...action } };
    return runActions(store, inputs, [copy]);
  }

  /** The layer, and all that is seen with what is below it. */
  async function idsOf(store: Store, id: SnapshotId): Promise<readonly string[]> {
    return [await diffId(store, id, EPOCH), await viewId(store, id, EPOCH)];
  }

  /** The same in a state folder that has never seen it. */
  async function fresh(action: Partial<CopyAction>): Promise<readonly string[]> {
    const root = mkdtempSync(join(folder, "fresh-"));
    const store = openStore({ root });
    try {
      return await idsOf(store, await copied(store, base(store), action));
    } finally {
      await store.close();
      rmSync(root, { recursive: true });
    }
  }

  /** Its layer has only what is not in the one below, and both are one. */
  function isPatch(store: Store, id: SnapshotId): boolean {
    return store.snapshots.lowers(id).length > store.snapshots.layers(id).length;
  }

  /** Files of a layer that other layers have, too. */
  function linked(layer: string): number {
    const paths = readdirSync(layer, { recursive: true, encoding: "utf8" }).map((path) => join(layer, path));
    return paths.map((path) => lstatSync(path)).filter((stat) => stat.isFile() && stat.nlink > 1).length;
  }

  /** One edit of everything that people and tools do to a tree. Times are old ones, often the same. */
  async function edit(pick: (below: number) => number, serial: number): Promise<void> {
    const paths = all();
    const one = (test: (path: string) => boolean): string => {
      const fitting = paths.filter(test);
      return fitting[pick(fitting.length)]!;
    };
    const file = one((path) => lstatSync(path).isFile());
    // No top folder: with it, more would go than leaves enough to be linked.
    const inFolder = one((path) => lstatSync(path).isDirectory() && /\/e\d+$/.test(path));
    const fresh = join(inFolder, `new-${serial}`);
    const touched = [file, inFolder, fresh];
    const edits: (() => unknown)[] = [
      () => writeFileSync(fresh, `content ${pick(400)}`),
      () => rmSync(file),
      // As long as before.
      () => writeFileSync(file, "CONTENT"),
      () => chmodSync(file, pick(2) === 0 ? 0o600 : 0o4755),
      () => chmodSync(inFolder, 0o711),
      () => renameSync(file, fresh),
      () => rmSync(inFolder, { recursive: true }),
      () => {
        rmSync(file);
        mkdirSync(file);
        writeFileSync(join(file, "now a folder"), "");
        touched.push(join(file, "now a folder"));
      },
      () => {
        rmSync(inFolder, { recursive: true });
        symlinkSync("/etc", inFolder);
      },
      () => linkSync(file, fresh),
      () => symlinkSync(`target ${serial}`, fresh),
      () => lutimesSync(file, OLD - serial, OLD - serial),
      async () => {
        const root = nativeFs.openFolder(inFolder);
        const xattrs = [{ name: "user.note", value: Buffer.from(`${serial}`) }];
        const op = { type: "file", path: `new-${serial}`, data: Buffer.from("with note"), xattrs } as const;
        const more = { existing: "error", mode: 0o644, uid: 0, gid: 0 } as const;
        await nativeFs.apply(root, -1, encodeTreeOps([{ ...op, ...more }]), { hash: false });
        nativeFs.close(root);
      },
    ];
    await edits[pick(edits.length)]!();
    const time = OLD + pick(3);
    for (const path of touched)
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) lutimesSync(path, time, time);
  }

  test.each([
    ["an empty folder", 11, {}, "overlay", 5],
    [
      "a new folder, with another owner and mode",
      22,
      { dest: "/srv/new/", mode: 0o640, owner: { user: { id: 7 } } },
      "overlay",
      5,
    ],
    [
      "a folder of copies, all files of one time",
      33,
      { timestampNs: BigInt(OLD) * 1_000_000_000n },
      "copy",
      3,
    ],
  ] as const)(
    "gives the layer that a first copy gives, after any edits, into %s",
    async (_name, seed, action, snapshotter, rounds) => {
      fill();
      const root = join(folder, `state-${seed}`);
      const pick = random(seed);
      let last: SnapshotId | undefined;
      let before: readonly string[] = [];
      let patches = 0;
      for (let round = 0; round < rounds; round++) {
        const store = openStore({ root, snapshotter });
        const below = store.memo.get("test", "base");
        const ground = below === undefined ? base(store) : (Buffer.from(below).toString() as SnapshotId);
        store.memo.set("test", "base", Buffer.from(ground));
        expect(store.snapshots.exists(ground)).toBe(true);
        // Nothing keeps what earlier rounds made: now and then the last layer goes, always those before it.
        if (last !== undefined && round % 4 !== 3) expect(store.snapshots.exists(last)).toBe(true);
        await prune(store, { all: false });
        if (round > 0) for (let i = 0; i <= pick(4); i++) await edit(pick, round * 10 + i);
        const id = await copied(store, ground, action);
        expect(await idsOf(store, id), `round ${round}`).toEqual(await fresh(action));
        patches += isPatch(store, id) ? 1 : 0;
        const layer = await wholeFolder(store, id);
        if (round > 0 && round % 4 !== 3) {
          expect(linked(layer)).toBeGreaterThan(FILES / 3);
          // The layer that files were linked from is what it was.
          expect(await idsOf(store, last!)).toEqual(before);
        } else expect(linked(layer)).toBeLessThan(20);
        expect(await fsck(store)).toEqual([]);
        [last, before] = [id, await idsOf(store, id)];
        await store.close();
      }
      expect(patches).toBeGreaterThan(0);
    },
  );

  /** More than a patch is made of. */
  function editMany(files = FILES): void {
    for (let i = 0; i < files / 4; i++) {
      const file = join(context, `d${i % 7}`, `e${i % 31}`, `f${i}`);
      writeFileSync(file, `changed ${i}`);
      lutimesSync(file, OLD, OLD);
    }
  }

  test("is linked where much has changed, and what then changes is a patch of that", async () => {
    fill();
    const store = openStore({ root: join(folder, "state-many") });
    try {
      const ground = base(store);
      await copied(store, ground, {});
      editMany();
      const linkedOne = await copied(store, ground, {});
      expect(isPatch(store, linkedOne)).toBe(false);
      expect(linked(layerFolder(store, linkedOne))).toBeGreaterThan(FILES / 2);
      expect(await idsOf(store, linkedOne)).toEqual(await fresh({}));
      // All that was in a folder but one that is made anew.
      rmSync(join(context, "d1"), { recursive: true });
      mkdirSync(join(context, "d1/e1"), { recursive: true });
      for (const path of ["d1/e1", "d1", ""]) lutimesSync(join(context, path), OLD, OLD);
      const patch = await copied(store, ground, {});
      expect(isPatch(store, patch)).toBe(true);
      expect(store.snapshots.lowers(patch)[1]).toBe(layerFolder(store, linkedOne));
      expect(await idsOf(store, patch)).toEqual(await fresh({}));
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
    }
  });

  test("of fewer files is a patch as well, and is copied whole where much has changed", async () => {
    fill(100);
    const store = openStore({ root: join(folder, "state-fewer") });
    try {
      const ground = base(store);
      await copied(store, ground, {});
      const file = join(context, "d0/e0/f0");
      writeFileSync(file, "changed");
      lutimesSync(file, OLD, OLD);
      const patch = await copied(store, ground, {});
      expect(isPatch(store, patch)).toBe(true);
      expect(await idsOf(store, patch)).toEqual(await fresh({}));
      editMany(200);
      const whole = await copied(store, ground, {});
      expect(isPatch(store, whole)).toBe(false);
      expect(linked(layerFolder(store, whole))).toBe(0);
      expect(await idsOf(store, whole)).toEqual(await fresh({}));
      fill(20);
      for (let i = 0; i < 2; i++) expect(isPatch(store, await copied(store, ground, {}))).toBe(false);
    } finally {
      await store.close();
    }
  });

  test("keeps what a patch is on, and is one layer elsewhere too", async () => {
    fill();
    const root = join(folder, "state-kept");
    const first = openStore({ root });
    const ground = base(first);
    await copied(first, ground, {});
    writeFileSync(join(context, "d0/e0/f0"), "changed");
    const patch = await copied(first, ground, {});
    const ids = await idsOf(first, patch);
    const [, layer] = await first.snapshots.wholeLayers(patch);
    await first.close();
    const store = openStore({ root });
    try {
      expect(store.snapshots.exists(patch)).toBe(true);
      await prune(store, { all: true });
      expect(await fsck(store)).toEqual([]);
      expect(await idsOf(store, patch)).toEqual(ids);
      // What was put together for packing is there as long as the patch, and told to be made when that was.
      expect((await store.snapshots.wholeLayers(patch))[1]).toEqual(layer);
      expect(store.snapshots.parent(patch)).toBe(ground);
      const other = store.snapshots.commit(store.snapshots.prepare(null));
      const moved = store.snapshots.stack(other, (await store.snapshots.wholeLayers(patch)).slice(1))!;
      expect(await diffId(store, moved, EPOCH)).toBe(ids[0]);
      store.snapshots.setDiff(layer!.id, { diffId: ids[0] as DiffId, sizeBytes: 7 });
      expect(store.snapshots.layers(patch)[1]).toMatchObject({ diffId: ids[0], sizeBytes: 7 });
    } finally {
      await store.close();
    }
    const last = openStore({ root });
    await prune(last, { all: true });
    expect((await diskUsage(last)).records.filter(({ id }) => id.startsWith("snapshot:"))).toEqual([]);
    await last.close();
  });

  test("shares the files of the last one, and counts them once", async () => {
    fill();
    const store = openStore({ root: join(folder, "state-shared") });
    try {
      const ground = base(store);
      const first = await copied(store, ground, {});
      const one = (await diskUsage(store)).totalBytes;
      writeFileSync(join(context, "d0/e0/f0"), "changed");
      const second = await copied(store, ground, {});
      const inPatch = readdirSync(layerFolder(store, second), { recursive: true, withFileTypes: true });
      expect(inPatch.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(["f0"]);
      expect((await diskUsage(store)).totalBytes - one).toBeLessThan(FILES * 100);
      const [a, b] = [layerFolder(store, first), await wholeFolder(store, second)];
      const inode = (layer: string, path: string): number => statSync(join(layer, "app", path)).ino;
      expect(inode(b, "d1/e1/f1")).toBe(inode(a, "d1/e1/f1"));
      expect(inode(b, "d0/e0/f0")).not.toBe(inode(a, "d0/e0/f0"));
      const files = FILES * 4096;
      expect(one).toBeGreaterThan(files);
      expect((await diskUsage(store)).totalBytes - one).toBeLessThan(files / 2);
    } finally {
      await store.close();
    }
    // The older layer goes: the younger one has all of the bytes now.
    const again = openStore({ root: join(folder, "state-shared") });
    try {
      const ids = (await diskUsage(again)).records.filter(({ id }) => id.startsWith("snapshot:"));
      // The newest is what a patch was put together to.
      again.snapshots.exists(ids.at(-1)!.id.slice("snapshot:".length) as SnapshotId);
      await prune(again, { all: false });
      expect((await diskUsage(again)).totalBytes).toBeGreaterThan(FILES * 4096);
    } finally {
      await again.close();
    }
  });

  test("onto something that is there goes through the overlay, and is never linked", async () => {
    fill();
    const store = openStore({ root: join(folder, "state-full") });
    try {
      const ground = base(store);
      await copied(store, ground, { dest: "/full/" });
      const id = await copied(store, ground, { dest: "/full/" });
      expect(linked(layerFolder(store, id))).toBe(0);
      expect(await idsOf(store, id)).toEqual(await fresh({ dest: "/full/" }));
    } finally {
      await store.close();
    }
  });
});
