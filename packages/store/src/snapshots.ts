import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ChainId, type DiffId, errnoCode, type SnapshotId, TsbuildError } from "@tsbuild/base";
import type { ActiveSnapshot, LayerInfo, LayerOptions, SnapshotStore, WholeLayer } from "./api.ts";
import { guarded } from "./failure.ts";
import { makingRoom } from "./room.ts";
import type { StoreState } from "./state.ts";
import type { WholeLayers } from "./whole-layers.ts";

interface LayerRow {
  readonly id: number;
  readonly snapshot: number;
  readonly patch: number;
  readonly diff_id: string | null;
  readonly size_bytes: number | null;
}

/** Keeps something from collection until released. */
export interface Hold {
  release(): void;
}

/** Layers of a snapshot, top first. */
const LAYERS = `
WITH RECURSIVE chain(id, parent, layer, patch, height) AS (
  SELECT id, parent, layer, patch, 0 FROM snapshots WHERE id=? AND lease IS NULL
  UNION ALL
  SELECT s.id, s.parent, s.layer, s.patch, height + 1 FROM chain JOIN snapshots s ON s.id = chain.parent
)
SELECT l.id, chain.id AS snapshot, chain.patch, l.diff_id, l.size_bytes FROM chain JOIN layers l ON l.id = chain.layer ORDER BY height`;

/**
 * Snapshots as rows over layer folders. An active one is a row with the lease of its process; committing clears that column.
 * So a crash leaves either an active row, which the next open removes with its folder, or a whole committed snapshot.
 */
export class OverlaySnapshotStore implements SnapshotStore {
  readonly #state: StoreState;
  readonly #onRelease: (id: SnapshotId) => void;
  /** Whether there is a work folder. */
  readonly #active = new Map<SnapshotId, boolean>();
  #whole: Promise<WholeLayers> | undefined;
  readonly #made = new Set<SnapshotId>();
  /**
   * Layer folders of what this process holds, topmost first: it stays as it is. What was committed here is held until the end, and nearly each is the parent of the next;
   * a base is asked for once by each step on it.
   */
  readonly #held = new Map<SnapshotId, readonly string[]>();

  /** `onRelease` hears of each snapshot that is held no more. */
  constructor(state: StoreState, onRelease: (id: SnapshotId) => void = () => undefined) {
    this.#state = state;
    this.#onRelease = onRelease;
  }

  prepare(parent: SnapshotId | null, { patch = false, inPlace = false }: LayerOptions = {}): ActiveSnapshot {
    const { lease, database, layout } = this.#state;
    const made = database.transaction(() => {
      if (patch) this.#mustBePatchable(parent);
      const depth = parent === null ? 0 : this.#depth(parent) + 1;
      // The row of the new snapshot keeps its parents from collection.
      const layer = database.run("INSERT INTO layers DEFAULT VALUES").lastId;
      const id = insertSnapshot(this.#state, { parent, layer, depth, patch, lease: lease.name });
      return { id, layer };
    });
    this.#active.set(made.id, !inPlace);
    const lowers = parent === null ? [] : this.lowers(parent);
    const folder = layout.layer(made.layer);
    const work = join(lease.folder(), `work-${made.layer}`);
    const active = { id: made.id, parent, upper: join(folder, "fs"), work, lowers };
    try {
      guarded("make a snapshot", layout.root, () => {
        this.#makeFolders(folder, lowers[0]);
        if (!inPlace) mkdirSync(work);
      });
    } catch (error) {
      this.discard(active);
      throw error;
    }
    return active;
  }

  commit(
    active: ActiveSnapshot,
    { linkedTo = [] }: { readonly linkedTo?: readonly SnapshotId[] } = {},
  ): SnapshotId {
    this.#mustBeActive(active);
    const { lease, database, durability } = this.#state;
    this.#removeWork(active);
    database.transaction(() => {
      lease.holdSnapshot(active.id);
      database.run("UPDATE snapshots SET lease=NULL WHERE id=?", active.id);
      durability.mark(active.id);
      if (linkedTo.length > 0) this.#link([active.id, ...linkedTo]);
    });
    this.#active.delete(active.id);
    this.#made.add(active.id);
    this.#held.set(active.id, [active.upper, ...active.lowers]);
    return active.id;
  }

  /** In a transaction. */
  #link(ids: readonly SnapshotId[]): void {
    const { database } = this.#state;
    for (const id of ids) {
      database.run("UPDATE layers SET linked=1 WHERE id=(SELECT layer FROM snapshots WHERE id=?)", id);
    }
    remeasureLinked(this.#state);
  }

  filled(active: ActiveSnapshot): void {
    this.#mustBeActive(active);
    this.#state.durability.writeAhead();
  }

  discard(active: ActiveSnapshot): void {
    this.#mustBeActive(active);
    this.#removeWork(active);
    this.#forget([active.id]);
    this.#state.trash.sweep();
    this.#state.trash.start();
  }

  #removeWork({ id, work }: ActiveSnapshot): void {
    if (this.#active.get(id) === true) this.#state.scraps.remove(work);
  }

  /** Discards what nobody committed or discarded; for closing. */
  discardAll(): void {
    if (this.#active.size > 0) this.#forget([...this.#active.keys()]);
  }

  /** Active ones only: nothing else has their folders. */
  #forget(ids: readonly SnapshotId[]): void {
    const { database } = this.#state;
    makingRoom(
      this.#state,
      () => ids.flatMap((id) => layerOf(this.#state, id) ?? []),
      () =>
        database.transaction(() => {
          for (const id of ids) removeActive(this.#state, id);
        }),
    );
    for (const id of ids) this.#active.delete(id);
  }

  lowers(id: SnapshotId): readonly string[] {
    const known = this.#held.get(id);
    if (known !== undefined) return known;
    const lowers = this.#layerRows(id).map((row) => this.#state.layout.layerFolder(row.id));
    if (this.isHeld(id)) this.#held.set(id, lowers);
    return lowers;
  }

  layers(id: SnapshotId): readonly LayerInfo[] {
    return this.#imageRows(id).map(layerInfo);
  }

  topLayer(id: SnapshotId): LayerInfo {
    const row = this.#state.database.get<Pick<LayerRow, "id" | "diff_id" | "size_bytes">>(
      "SELECT l.id, l.diff_id, l.size_bytes FROM snapshots s JOIN layers l ON l.id = s.layer WHERE s.id=? AND s.lease IS NULL",
      id,
    );
    if (row === undefined) throw unknownSnapshot(id);
    return layerInfo(row);
  }

  async wholeLayers(id: SnapshotId): Promise<readonly WholeLayer[]> {
    const layers: WholeLayer[] = [];
    for (const row of this.#imageRows(id)) {
      const own = this.#state.layout.layerFolder(row.id);
      const layer = row.patch === 1 ? await this.#wholeOf(snapshotId(row.snapshot)) : row.id;
      layers.push({
        ...layerInfo(row),
        id: layer,
        folder: this.#state.layout.layerFolder(layer),
        createdMs: Math.floor(statSync(own).birthtimeMs),
      });
    }
    return layers;
  }

  /** Loaded when there is a patch. */
  async #wholeOf(patch: SnapshotId): Promise<number> {
    this.#whole ??= import("./whole-layers.ts").then(({ WholeLayers }) => new WholeLayers(this.#state, this));
    return (await this.#whole).layerOf(patch);
  }

  exists(id: SnapshotId): boolean {
    return this.#tryHold(id);
  }

  parent(id: SnapshotId): SnapshotId | null {
    const parent = this.#physicalParent(id);
    return parent !== null && this.#isPatch(id) ? this.#physicalParent(parent) : parent;
  }

  #isPatch(id: SnapshotId): boolean {
    return this.#state.database.get("SELECT 1 FROM snapshots WHERE id=? AND patch=1", id) !== undefined;
  }

  #physicalParent(id: SnapshotId): SnapshotId | null {
    const row = this.#state.database.get<{ parent: number | null }>(
      "SELECT parent FROM snapshots WHERE id=? AND lease IS NULL",
      id,
    );
    if (row === undefined) throw unknownSnapshot(id);
    return row.parent === null ? null : snapshotId(row.parent);
  }

  stack(parent: SnapshotId | null, layers: readonly WholeLayer[]): SnapshotId | null {
    const { database, lease } = this.#state;
    return database.transaction(() => {
      let top = parent;
      let depth = parent === null ? -1 : this.#depth(parent);
      for (const layer of layers) {
        depth += 1;
        top = this.#stackOne({ parent: top, layer: layer.id, depth });
      }
      if (top !== null) lease.holdSnapshot(top);
      return top;
    });
  }

  setDiff(layer: number, diff: { readonly diffId: DiffId; readonly sizeBytes: number }): void {
    const { database } = this.#state;
    database.transaction(() => {
      database.run(
        `UPDATE layers SET diff_id=?, size_bytes=? WHERE id=?
         OR id IN (SELECT p.layer FROM snapshots w JOIN snapshots p ON p.whole = w.id WHERE w.layer=?)`,
        diff.diffId,
        diff.sizeBytes,
        layer,
        layer,
      );
    });
  }

  byChainId(chainId: ChainId): SnapshotId | undefined {
    const rows = this.#state.database.all<{ id: number }>(
      "SELECT id FROM snapshots WHERE chain_id=? AND lease IS NULL ORDER BY id",
      chainId,
    );
    return rows.map((row) => snapshotId(row.id)).find((id) => this.#tryHold(id));
  }

  setChainId(id: SnapshotId, chainId: ChainId): void {
    const { database } = this.#state;
    database.transaction(() => {
      database.run("UPDATE snapshots SET chain_id=? WHERE id=?", chainId, id);
    });
  }

  hold(id: SnapshotId): Hold {
    const hold = this.holdIfThere(id);
    if (hold === undefined) throw unknownSnapshot(id);
    return hold;
  }

  /** Whether this process has committed it. */
  isMadeHere(id: SnapshotId): boolean {
    return this.#made.has(id);
  }

  isHeld(id: SnapshotId): boolean {
    return this.#state.lease.holdsSnapshot(id);
  }

  #release(id: SnapshotId): void {
    const { lease } = this.#state;
    lease.releaseSnapshot(id);
    if (lease.holdsSnapshot(id)) return;
    this.#held.delete(id);
    this.#onRelease(id);
  }

  holdIfThere(id: SnapshotId): Hold | undefined {
    if (!this.#tryHold(id)) return undefined;
    let held = true;
    return {
      release: () => {
        if (held) this.#release(id);
        held = false;
      },
    };
  }

  /**
   * See `Lease`: looked up and held in one transaction, so that no other process collects it in between. What is held is there: once
   * more needs no look.
   */
  #tryHold(id: SnapshotId): boolean {
    const { database, lease } = this.#state;
    if (lease.holdsSnapshot(id)) {
      lease.holdSnapshot(id);
      return true;
    }
    return database.transaction(() => {
      const row = database.get("SELECT 1 FROM snapshots WHERE id=? AND lease IS NULL", id);
      if (row === undefined) return false;
      lease.holdSnapshot(id);
      return true;
    });
  }

  #depth(id: SnapshotId): number {
    const known = this.#held.get(id);
    if (known !== undefined) return known.length - 1;
    const row = this.#state.database.get<{ depth: number }>(
      "SELECT depth FROM snapshots WHERE id=? AND lease IS NULL",
      id,
    );
    if (row === undefined) throw unknownSnapshot(id);
    return row.depth;
  }

  /** One row for each layer of an image, bottom first: of a patch and what it is on, the patch's. */
  #imageRows(id: SnapshotId): LayerRow[] {
    const rows = this.#layerRows(id);
    return rows.filter((_, at) => rows[at - 1]?.patch !== 1).reverse();
  }

  #layerRows(id: SnapshotId): LayerRow[] {
    const rows = this.#state.database.all<LayerRow>(LAYERS, id);
    if (rows.length === 0) throw unknownSnapshot(id);
    return rows;
  }

  #stackOne(one: {
    readonly parent: SnapshotId | null;
    readonly layer: number;
    readonly depth: number;
  }): SnapshotId {
    const { database } = this.#state;
    const equal = database.get<{ id: number }>(
      "SELECT id FROM snapshots WHERE layer=? AND parent IS ? AND lease IS NULL",
      one.layer,
      one.parent,
    );
    if (equal !== undefined) return snapshotId(equal.id);
    if (database.get("SELECT 1 FROM snapshots WHERE layer=? AND patch=1", one.layer) !== undefined)
      throw new Error(`assertion failed: the layer ${one.layer} is a patch, and good on its own parent only`);
    if (database.get("SELECT 1 FROM layers WHERE id=?", one.layer) === undefined) {
      throw new TsbuildError("TSB_STORE", `the layer ${one.layer} is not in the state folder`);
    }
    return insertSnapshot(this.#state, { ...one, patch: false, lease: null });
  }

  #mustBePatchable(parent: SnapshotId | null): void {
    if (parent !== null && !this.#isPatch(parent)) return;
    throw new Error(`assertion failed: no patch can be made on ${parent ?? "nothing"}`);
  }

  /**
   * The root of a layer hides that of the layers below in the merged view: it takes over owner and mode from the topmost, so
   * that a step on an image whose `/` is special leaves it so. Without lowers it is 0755, as an image's `/` is.
   */
  #makeFolders(folder: string, below: string | undefined): void {
    this.#makeFolder(folder);
    const upper = join(folder, "fs");
    mkdirSync(upper);
    const made = statSync(upper);
    const { mode, uid, gid } =
      below === undefined ? { mode: 0o755, uid: made.uid, gid: made.gid } : statSync(below);
    if (uid !== made.uid || gid !== made.gid) chownSync(upper, uid, gid);
    // The umask has cut the mode, and chown clears set-id bits.
    chmodSync(upper, mode & 0o7777);
  }

  /** A power cut may have lost the newest rows but not their folders: an id then comes again. */
  #makeFolder(folder: string): void {
    try {
      mkdirSync(folder);
    } catch (error) {
      if (errnoCode(error) !== "EEXIST") throw error;
      this.#state.trash.discard(folder);
      mkdirSync(folder);
    }
  }

  #mustBeActive(active: ActiveSnapshot): void {
    if (this.#active.has(active.id)) return;
    throw new Error(`assertion failed: snapshot ${active.id} is not active in this store`);
  }
}

/** In a transaction: forgets an active snapshot and its layer, and schedules the folder for removal. */
function removeActive(state: StoreState, id: SnapshotId): void {
  const layer = layerOf(state, id);
  if (layer === undefined) return;
  state.database.run("DELETE FROM snapshots WHERE id=?", id);
  removeLayer(state, layer);
}

function layerOf(state: StoreState, id: SnapshotId): number | undefined {
  return state.database.get<{ layer: number }>("SELECT layer FROM snapshots WHERE id=?", id)?.layer;
}

/** In a transaction: forgets a layer that no snapshot has any more. */
export function removeLayer(state: StoreState, layer: number): void {
  const row = state.database.get<{ linked: number }>("SELECT linked FROM layers WHERE id=?", layer);
  state.database.run("DELETE FROM layers WHERE id=?", layer);
  if (row?.linked === 1) remeasureLinked(state);
  state.trash.schedule(`snapshots/${layer}`);
}

/** In a transaction: what layers take that share files can only be told of all of them together, and anew when one comes or goes. */
function remeasureLinked({ database }: StoreState): void {
  database.run("UPDATE layers SET disk_bytes=NULL WHERE linked=1 AND disk_bytes IS NOT NULL");
}

/** Forgets what a dead lease was writing. */
export function removeActiveOf(state: StoreState, lease: string): void {
  const { database } = state;
  const rows = () =>
    database.all<{ id: number; layer: number }>("SELECT id, layer FROM snapshots WHERE lease=?", lease);
  makingRoom(
    state,
    () => rows().map((row) => row.layer),
    () =>
      database.transaction(() => {
        for (const row of rows()) removeActive(state, snapshotId(row.id));
      }),
  );
}

function layerInfo({ id, diff_id, size_bytes }: Pick<LayerRow, "id" | "diff_id" | "size_bytes">): LayerInfo {
  return { id, diffId: (diff_id ?? undefined) as DiffId | undefined, sizeBytes: size_bytes ?? undefined };
}

function insertSnapshot(
  state: StoreState,
  row: {
    readonly parent: SnapshotId | null;
    readonly layer: number;
    readonly depth: number;
    readonly patch: boolean;
    readonly lease: string | null;
  },
): SnapshotId {
  const { lastId } = state.database.run(
    "INSERT INTO snapshots(parent, layer, depth, patch, lease, created_at) VALUES(?, ?, ?, ?, ?, ?)",
    row.parent,
    row.layer,
    row.depth,
    row.patch ? 1 : 0,
    row.lease,
    Date.now(),
  );
  return snapshotId(lastId);
}

export function snapshotId(row: number): SnapshotId {
  return String(row) as SnapshotId;
}

function unknownSnapshot(id: SnapshotId): TsbuildError {
  return new TsbuildError("TSB_STORE", `the snapshot ${id} is not in the state folder`, {
    hint: "it may have been removed by `tsbuild prune`; build again",
  });
}
