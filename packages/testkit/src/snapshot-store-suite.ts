import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chainId, type DiffId, type SnapshotId, sha256 } from "@tsbuild/base";
import type { SnapshotStore, WholeLayer } from "@tsbuild/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

export interface SnapshotStoreHarness {
  readonly snapshots: SnapshotStore;
  close(): Promise<void>;
}

/** Work folders go in the background. */
async function untilGone(path: string): Promise<void> {
  await expect.poll(() => existsSync(path), { timeout: 10_000 }).toBe(false);
}

/** What every `SnapshotStore` promises. No mounts: layers are looked at as folders. */
export function snapshotStoreSuite(name: string, open: () => Promise<SnapshotStoreHarness>): void {
  describe(`snapshot store: ${name}`, () => {
    let harness: SnapshotStoreHarness;
    let snapshots: SnapshotStore;
    beforeEach(async () => {
      harness = await open();
      snapshots = harness.snapshots;
    });
    afterEach(() => harness.close());

    /** A committed layer with one file of that name and content. */
    function layer(parent: SnapshotId | null, file: string): SnapshotId {
      const active = snapshots.prepare(parent);
      writeFileSync(join(active.upper, file), file);
      return snapshots.commit(active);
    }

    it("prepares an empty layer and a work folder on one filesystem", () => {
      const active = snapshots.prepare(null);
      expect(active.parent).toBeNull();
      expect(active.lowers).toEqual([]);
      expect(statSync(active.upper).mode & 0o7777).toBe(0o755);
      expect(statSync(active.work).dev).toBe(statSync(active.upper).dev);
    });

    it("makes no work folder for a layer that is written in place", () => {
      const committed = snapshots.prepare(null, { inPlace: true });
      expect([existsSync(committed.upper), existsSync(committed.work)]).toEqual([true, false]);
      const discarded = snapshots.prepare(snapshots.commit(committed), { inPlace: true });
      expect(existsSync(discarded.work)).toBe(false);
      snapshots.discard(discarded);
      expect(existsSync(discarded.upper)).toBe(false);
    });

    it("makes the root of a layer like that of the layer below", () => {
      const base = snapshots.prepare(null);
      chmodSync(base.upper, 0o1711);
      const child = snapshots.prepare(snapshots.commit(base));
      expect(statSync(child.upper).mode & 0o7777).toBe(0o1711);
    });

    it("shows a snapshot once it is committed", async () => {
      const active = snapshots.prepare(null);
      expect(snapshots.exists(active.id)).toBe(false);
      expect(() => snapshots.lowers(active.id)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
      const id = snapshots.commit(active);
      expect(snapshots.exists(id)).toBe(true);
      expect(snapshots.lowers(id)).toEqual([active.upper]);
      await untilGone(active.work);
    });

    it("commits although overlayfs left things in the work folder", async () => {
      const active = snapshots.prepare(null);
      mkdirSync(join(active.work, "work"), { mode: 0o000 });
      mkdirSync(join(active.work, "index"));
      snapshots.commit(active);
      await untilGone(active.work);
    });

    it("does not commit twice, nor after discarding", () => {
      const committed = snapshots.prepare(null);
      snapshots.commit(committed);
      expect(() => snapshots.commit(committed)).toThrow(/not active/);
      const discarded = snapshots.prepare(null);
      snapshots.discard(discarded);
      expect(() => snapshots.commit(discarded)).toThrow(/not active/);
      expect(() => snapshots.discard(discarded)).toThrow(/not active/);
    });

    it("throws a discarded layer away", () => {
      const active = snapshots.prepare(null);
      writeFileSync(join(active.upper, "file"), "x");
      snapshots.discard(active);
      expect(existsSync(active.upper)).toBe(false);
      expect(snapshots.exists(active.id)).toBe(false);
    });

    it("gives layers top first as lowers and bottom first as layers", async () => {
      const a = layer(null, "a");
      const b = layer(a, "b");
      const c = layer(b, "c");
      const files = (folders: readonly string[]): boolean[][] =>
        folders.map((folder) => ["a", "b", "c"].map((file) => existsSync(join(folder, file))));
      const stack = [
        [false, false, true],
        [false, true, false],
        [true, false, false],
      ];
      expect(files(snapshots.lowers(c))).toEqual(stack);
      expect(files((await snapshots.wholeLayers(c)).map((one) => one.folder))).toEqual(stack.toReversed());
      expect(snapshots.prepare(c).lowers).toEqual(snapshots.lowers(c));
      expect([snapshots.parent(c), snapshots.parent(b), snapshots.parent(a)]).toEqual([b, a, null]);
    });

    it("takes a patch and what it is on for one layer", async () => {
      const base = layer(null, "base");
      const old = layer(base, "old");
      const active = snapshots.prepare(old, { patch: true });
      writeFileSync(join(active.upper, "new"), "new");
      const patch = snapshots.commit(active);
      expect(snapshots.lowers(patch)).toEqual([active.upper, ...snapshots.lowers(old)]);
      expect(snapshots.layers(patch)).toHaveLength(2);
      expect(snapshots.topLayer(patch)).toEqual(snapshots.layers(patch).at(-1));
      expect([snapshots.parent(patch), snapshots.parent(old)]).toEqual([base, base]);
      const child = layer(patch, "child");
      expect([snapshots.parent(child), snapshots.layers(child).length]).toEqual([patch, 3]);
      const [bottom, whole] = await snapshots.wholeLayers(patch);
      expect(bottom?.folder).toBe(snapshots.lowers(base)[0]);
      const files = ["old", "new"].map((file) => readFileSync(join(whole!.folder, file), "utf8"));
      expect(files).toEqual(["old", "new"]);
      expect(statSync(join(whole!.folder, "old")).ino).toBe(
        statSync(join(snapshots.lowers(old)[0]!, "old")).ino,
      );
      expect(await snapshots.wholeLayers(child)).toEqual([bottom, whole, expect.anything()]);
      expect(() =>
        snapshots.stack(null, snapshots.layers(patch).slice(1) as unknown as readonly WholeLayer[]),
      ).toThrow(/is a patch/);
      for (const below of [null, patch])
        expect(() => snapshots.prepare(below, { patch: true })).toThrow(/no patch/);
    });

    it("lets siblings share their parent", () => {
      const base = layer(null, "base");
      const [left, right] = [layer(base, "left"), layer(base, "right")];
      expect(snapshots.lowers(left)[1]).toBe(snapshots.lowers(right)[1]);
      expect(snapshots.lowers(left)[0]).not.toBe(snapshots.lowers(right)[0]);
    });

    it("refuses unknown snapshots", () => {
      const unknown = "987654" as SnapshotId;
      expect(snapshots.exists(unknown)).toBe(false);
      for (const use of ["lowers", "layers", "parent", "hold", "prepare"] as const) {
        expect(() => snapshots[use](unknown)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
      }
      expect(() => snapshots.stack(unknown, [])).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
    });

    it("does not build on an active snapshot", () => {
      const active = snapshots.prepare(null);
      expect(() => snapshots.prepare(active.id)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
    });

    it("stacks layers on another parent without copying", async () => {
      const old = layer(null, "old");
      const step = layer(layer(old, "one"), "two");
      const fresh = layer(null, "fresh");
      const moved = (await snapshots.wholeLayers(step)).slice(1);
      const rebased = snapshots.stack(fresh, moved)!;
      expect(snapshots.lowers(rebased)).toEqual([
        ...moved.map((one) => one.folder).reverse(),
        ...snapshots.lowers(fresh),
      ]);
      expect(snapshots.stack(fresh, moved)).toBe(rebased);
      expect(snapshots.stack(old, moved)).toBe(step);
      expect(snapshots.stack(fresh, [])).toBe(fresh);
      expect(snapshots.stack(null, [])).toBeNull();
    });

    it("tells the diff of a layer in every snapshot that has it", async () => {
      const a = layer(null, "a");
      const [own] = await snapshots.wholeLayers(a);
      const other = snapshots.stack(layer(null, "b"), [own!])!;
      const diffId = sha256("tar of a") as string as DiffId;
      snapshots.setDiff(own!.id, { diffId, sizeBytes: 1024 });
      expect(await snapshots.wholeLayers(a)).toEqual([{ ...own, diffId, sizeBytes: 1024 }]);
      expect(snapshots.layers(other)[1]).toEqual({ id: own!.id, diffId, sizeBytes: 1024 });
      expect(snapshots.layers(other)[0]?.diffId).toBeUndefined();
      expect(snapshots.topLayer(other)).toEqual(snapshots.layers(other)[1]);
      expect(() => snapshots.topLayer("999999" as SnapshotId)).toThrow();
    });

    it("finds a snapshot by its chain ID", () => {
      const a = layer(null, "a");
      const chain = chainId([sha256("tar of a") as string as DiffId])!;
      expect(snapshots.byChainId(chain)).toBeUndefined();
      snapshots.setChainId(a, chain);
      expect(snapshots.byChainId(chain)).toBe(a);
    });

    it("does not find an active snapshot by its chain ID", () => {
      const active = snapshots.prepare(null);
      const chain = chainId([sha256("being written") as string as DiffId])!;
      snapshots.setChainId(active.id, chain);
      expect(snapshots.byChainId(chain)).toBeUndefined();
      snapshots.commit(active);
      expect(snapshots.byChainId(chain)).toBe(active.id);
    });

    it("keeps content as it was committed", () => {
      const a = layer(null, "a");
      layer(a, "b");
      expect(readFileSync(join(snapshots.lowers(a)[0]!, "a"), "utf8")).toBe("a");
    });

    it("counts holds", () => {
      const a = layer(null, "a");
      const [first, second] = [snapshots.hold(a), snapshots.hold(a)];
      first.release();
      first.release();
      second.release();
      expect(snapshots.exists(a)).toBe(true);
    });
  });
}
