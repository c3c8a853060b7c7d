import type { SnapshotId } from "@tsbuild/base";
import { nativeFs, type TreeOp, TreeReader, TWIN } from "@tsbuild/native-fs";
import { applyTreeOps, layerOps, ReplayOps, replayRoot } from "@tsbuild/oci";
import type { ActiveSnapshot, SnapshotStore } from "./api.ts";
import { guardedAsync } from "./failure.ts";
import { snapshotId } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

/** Layers in one folder, of those that are a patch of another (see `SnapshotStore.prepare`): for whoever packs them, or stacks them elsewhere. */
export class WholeLayers {
  readonly #state: StoreState;
  readonly #snapshots: SnapshotStore;
  readonly #making = new Map<SnapshotId, Promise<number>>();

  constructor(state: StoreState, snapshots: SnapshotStore) {
    this.#state = state;
    this.#snapshots = snapshots;
  }

  /** Row id of the layer that has a patch and what it is on; made when there is none. It is held until the store is closed. */
  layerOf(patch: SnapshotId): Promise<number> {
    const making = this.#making.get(patch) ?? this.#findOrMake(patch);
    this.#making.set(patch, making);
    return making.finally(() => this.#making.delete(patch));
  }

  async #findOrMake(patch: SnapshotId): Promise<number> {
    const before = this.#known(patch);
    if (before !== undefined) return before;
    const { database, layout } = this.#state;
    const made = await guardedAsync("put a layer together", layout.root, () => this.#make(patch));
    // Of what two processes make at the same time, one is enough. The other is held by nothing but its maker.
    const layer = database.transaction(() => {
      const known = this.#known(patch);
      if (known === undefined) database.run("UPDATE snapshots SET whole=? WHERE id=?", made, patch);
      return known ?? this.#known(patch);
    });
    if (layer === undefined) throw new Error("assertion failed: what was just committed is there");
    return layer;
  }

  #known(patch: SnapshotId): number | undefined {
    const { database } = this.#state;
    const row = database.get<{ whole: number; layer: number }>(
      "SELECT w.id AS whole, w.layer FROM snapshots p JOIN snapshots w ON w.id = p.whole WHERE p.id=?",
      patch,
    );
    return row !== undefined && this.#snapshots.exists(snapshotId(row.whole)) ? row.layer : undefined;
  }

  async #make(patch: SnapshotId): Promise<SnapshotId> {
    const [own, old] = this.#snapshots.lowers(patch);
    if (own === undefined || old === undefined) throw new Error("assertion failed: a patch is on a layer");
    const active = this.#snapshots.prepare(this.#snapshots.parent(patch), { inPlace: true });
    try {
      await fill(active, { own, old });
    } catch (error) {
      this.#snapshots.discard(active);
      throw error;
    }
    const below = this.#state.database.get<{ parent: number }>(
      "SELECT parent FROM snapshots WHERE id=?",
      patch,
    );
    const linkedTo = below === undefined ? [patch] : [patch, snapshotId(below.parent)];
    return this.#snapshots.commit(active, { linkedTo });
  }
}

/** The old layer, then the patch, which replaces and removes names. By hard links, for the files of either change no more. */
async function fill(
  { upper }: ActiveSnapshot,
  { own, old }: { readonly own: string; readonly old: string },
): Promise<void> {
  const opened = [upper, old, own].map((folder) => nativeFs.openFolder(folder));
  const [dest = -1, ...sources] = opened;
  try {
    for (const source of sources) await link(source, dest);
  } finally {
    for (const root of opened) nativeFs.close(root);
  }
}

/** Files per call of the addon, and calls at the same time: as COPY does it. */
const PICKS = 2048;
const PARALLEL = 2;

async function link(source: number, dest: number): Promise<void> {
  const options = { fs: nativeFs, source, dest };
  const reader = new TreeReader(await nativeFs.walk(source, "", { xattrs: true }));
  const plan = new ReplayOps();
  const files = new Files(reader);
  await applyTreeOps(options, othersOf(reader, plan, files));
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let picks = files.take(next); picks.length > 0; picks = files.take(next)) {
      next += PICKS;
      // With the mark each is a hard link to the file of that name below `twins`; where none can be made, a copy.
      const walked = { walk: reader.bytes, picks, from: "", to: "", existing: "replace" } as const;
      await nativeFs.copyFiles({ root: dest, source, twins: source }, walked);
    }
  };
  const done = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  for (const result of done) if (result.status === "rejected") throw result.reason;
  await applyTreeOps(options, files.further);
  await applyTreeOps(options, plan.times());
  replayRoot(options, reader.entry(0));
}

/** What is linked: all names of files in an order in which their folders are there. */
class Files {
  readonly #picks: Uint32Array;
  #count = 0;
  /** Names of files that have one in this tree already. */
  readonly further: TreeOp[] = [];

  constructor(reader: TreeReader) {
    this.#picks = new Uint32Array(reader.count * 2);
  }

  add(index: number, mode: number): void {
    this.#picks[this.#count++] = index;
    this.#picks[this.#count++] = (mode & 0o7777) + TWIN;
  }

  /** `PICKS` from there on. */
  take(from: number): Uint32Array {
    return this.#picks.subarray(0, this.#count).subarray(from * 2, (from + PICKS) * 2);
  }
}

/** Folders, and what is made anew; files are put into `files`. A copy that is made for want of a link has no attributes, so those with some are none of these. */
function* othersOf(reader: TreeReader, plan: ReplayOps, files: Files): Generator<TreeOp> {
  for (let index = 1; index < reader.count; index++) {
    for (const op of layerOps(reader.entry(index), plan)) {
      if (op.type === "hardlink") files.further.push(op);
      else if (op.type === "copy" && (op.xattrs ?? []).length === 0) files.add(index, op.mode);
      else yield op;
    }
  }
}
