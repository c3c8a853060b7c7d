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
import type { SnapshotId } from "@tsbuild/base";
import type { CopyAction } from "@tsbuild/llb";
import { encodeTreeOps, nativeFs } from "@tsbuild/native-fs";
import { diskUsage, fsck, openStore, prune, refForSnapshot, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refForContext } from "../src/local/context.ts";
import { COPY, diffId, layerFolder, runActions } from "./support/copies.ts";

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

  function fill(): void {
    rmSync(context, { recursive: true, force: true });
    for (let i = 0; i < FILES; i++) {
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

  /** The same in a state folder that has never seen it. */
  async function fresh(action: Partial<CopyAction>): Promise<string> {
    const root = mkdtempSync(join(folder, "fresh-"));
    const store = openStore({ root });
    try {
      return await diffId(store, await copied(store, base(store), action), EPOCH);
    } finally {
      await store.close();
      rmSync(root, { recursive: true });
    }
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
    ["an empty folder", 11, {}],
    [
      "a new folder, with another owner and mode",
      22,
      { dest: "/srv/new/", mode: 0o640, owner: { user: { id: 7 } } },
    ],
  ] as const)(
    "gives the layer that a first copy gives, after any edits, into %s",
    async (_name, seed, action) => {
      fill();
      const root = join(folder, `state-${seed}`);
      const pick = random(seed);
      let last: SnapshotId | undefined;
      let before = "";
      for (let round = 0; round < 5; round++) {
        const store = openStore({ root });
        const below = store.memo.get("test", "base");
        const ground = below === undefined ? base(store) : (Buffer.from(below).toString() as SnapshotId);
        store.memo.set("test", "base", Buffer.from(ground));
        expect(store.snapshots.exists(ground)).toBe(true);
        // Nothing keeps what earlier rounds made: now and then the last layer goes, always those before it.
        if (last !== undefined && round % 4 !== 3) expect(store.snapshots.exists(last)).toBe(true);
        await prune(store, { all: false });
        if (round > 0) for (let i = 0; i <= pick(4); i++) await edit(pick, round * 10 + i);
        const id = await copied(store, ground, action);
        expect(await diffId(store, id, EPOCH), `round ${round}`).toBe(await fresh(action));
        const layer = layerFolder(store, id);
        if (round > 0 && round % 4 !== 3) {
          expect(linked(layer)).toBeGreaterThan(FILES / 3);
          // The layer that files were linked from is what it was.
          expect(await diffId(store, last!, EPOCH)).toBe(before);
        } else expect(linked(layer)).toBeLessThan(20);
        expect(await fsck(store)).toEqual([]);
        [last, before] = [id, await diffId(store, id, EPOCH)];
        await store.close();
      }
    },
  );

  test("shares the files of the last one, and counts them once", async () => {
    fill();
    const store = openStore({ root: join(folder, "state-shared") });
    try {
      const ground = base(store);
      const first = await copied(store, ground, {});
      const one = (await diskUsage(store)).totalBytes;
      writeFileSync(join(context, "d0/e0/f0"), "changed");
      const second = await copied(store, ground, {});
      const [a, b] = [layerFolder(store, first), layerFolder(store, second)];
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
      expect(await diffId(store, id, EPOCH)).toBe(await fresh({ dest: "/full/" }));
    } finally {
      await store.close();
    }
  });
});
