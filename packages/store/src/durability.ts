import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { StateDatabase } from "./database.ts";
import { withDescendants } from "./descendants.ts";
import { dropSnapshots, snapshotsWith } from "./drop.ts";
import { guardedAsync } from "./failure.ts";
import { readHeld } from "./leases.ts";
import type { StoreState } from "./state.ts";
import { hasFailedSync, readSyncMarks, removeSyncMarks, type SyncMark, type Unsynced } from "./sync-marks.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What the traces of lost records name as the one who removed them. */
const BY_RESTART = "a restart before it was on disk";
const BY_DISK = "a disk that failed to take it";

/**
 * Which start of the kernel this is: what one start has written and not synced is lost with it. Containers of a machine have the same, as they
 * have the same page cache. Where it cannot be read, an id that no other process has: what is left marked is then not trusted.
 */
export function bootId(): string {
  try {
    return readFileSync(BOOT_ID, "latin1").trim();
  } catch {
    return `unknown-${randomBytes(8).toString("hex")}`;
  }
}

type SyncedState = Pick<StoreState, "layout" | "database" | "native">;

/**
 * Layers get to the disk once per build, not once per step, and nobody waits for that. A layer is committed with a mark: the kernel that may still
 * have parts of it in memory only. When the store is closed, a program that stays (settle.ts) calls syncfs for all layers marked by this kernel, also
 * those of processes that were killed; the next build that closes the store takes their marks away. What is still marked by another kernel than
 * this one, and not told to be on the disk, may be lost or cut, so it goes, with all that is made on it.
 *
 * Where no program may stay, this process waits for one syncfs, begun when all steps are done (`begin`) or when the store is closed.
 *
 * The order that this relies on: a mark is in the transaction that makes the layer visible, and goes in one that begins after the data is on
 * disk; the database's log keeps the order of transactions also through a power cut.
 */
export class Durability {
  readonly #state: SyncedState;
  readonly #boot: () => string;
  readonly #isLeft: boolean;
  #bootId: string | undefined;
  #marked = false;
  /** One after the other. Once one has failed all do: what is lost then cannot be told. */
  #syncing: Promise<void> = Promise.resolve();
  #isAhead = false;

  /** `isLeft`: nobody waits in this process. */
  constructor(state: SyncedState, options: { readonly boot: () => string; readonly isLeft: boolean }) {
    this.#state = state;
    this.#boot = options.boot;
    this.#isLeft = options.isLeft;
  }

  get boot(): string {
    this.#bootId ??= this.#boot();
    return this.#bootId;
  }

  /** In the transaction that commits a layer. */
  mark(snapshot: string): void {
    this.#marked = true;
    this.#state.database.run(
      "UPDATE layers SET unsynced=? WHERE id=(SELECT layer FROM snapshots WHERE id=?)",
      this.boot,
      snapshot,
    );
  }

  /** Lets the disk begin with what was committed, for those who have other things to do before they wait. How that went, `sync` tells. */
  begin(): void {
    if (!this.#isLeft) this.#begin();
  }

  /**
   * Lets the disk begin with what was written and is not committed yet, so that `sync` has less to wait for. One at a time: `sync` sees to
   * the rest.
   */
  writeAhead(): void {
    if (this.#isLeft || this.#isAhead) return;
    this.#isAhead = true;
    this.#syncing = this.#syncing
      .then(() => this.#syncFs())
      .finally(() => {
        this.#isAhead = false;
      });
    this.#syncing.catch(() => undefined);
  }

  /** Waits until what this process committed, if anything, is on the disk. Throws TSB_STORE when the disk fails. */
  async sync(): Promise<void> {
    this.#begin();
    await this.#syncing;
  }

  /**
   * What is to be brought to the disk in this process's stead (`left`); undefined when it committed nothing. Believes what is told of
   * earlier ones, and forgets those that were stopped and that later ones have made up for.
   */
  unsynced(): Unsynced | undefined {
    if (!this.#marked) return undefined;
    const { database, layout } = this.#state;
    const marks = readSyncMarks(layout);
    const done = marks.filter(({ outcome }) => outcome === "done");
    if (done.length > 0) database.transaction(() => trustSynced(database, done));
    const layers = this.#markedLayers();
    const open = new Set(layers);
    const isOver = (mark: SyncMark) => mark.boot !== this.boot || !mark.layers.some((id) => open.has(id));
    removeSyncMarks([...done, ...marks.filter((mark) => mark.outcome === "begun" && isOver(mark))]);
    return { boot: this.boot, layers };
  }

  left(): void {
    this.#marked = false;
  }

  #begin(): void {
    this.#syncing = this.#syncing.then(() => this.#syncMarked());
    this.#syncing.catch(() => undefined);
  }

  #markedLayers(): number[] {
    return this.#state.database
      .all<{ id: number }>("SELECT id FROM layers WHERE unsynced=?", this.boot)
      .map(({ id }) => id);
  }

  async #syncFs(): Promise<void> {
    const { layout, native } = this.#state;
    const folder = native.openFolder(layout.snapshots);
    await guardedAsync("write layers to the disk", layout.root, () => native.syncFs(folder)).finally(() =>
      native.close(folder),
    );
  }

  async #syncMarked(): Promise<void> {
    if (!this.#marked) return;
    this.#marked = false;
    const { database } = this.#state;
    const layers = this.#markedLayers();
    await this.#syncFs();
    database.transaction(() => trustSynced(database, [{ boot: this.boot, layers }]));
  }
}

/** In a transaction: these are on the disk. */
function trustSynced(database: StateDatabase, synced: readonly Unsynced[]): void {
  for (const { boot, layers } of synced) {
    database.run(
      "UPDATE layers SET unsynced=NULL WHERE unsynced=? AND id IN (SELECT value FROM json_each(?))",
      boot,
      JSON.stringify(layers),
    );
  }
}

/**
 * Forgets layers that may not be whole: those that another start of the kernel left marked and nothing tells to be on the disk, and
 * those that the disk did not take. What a living process holds is spared: it has written it itself, on another machine or where no boot
 * id can be read. Returns how many snapshots went.
 */
export function dropLost(state: StoreState, durability: Durability): number {
  const { database } = state;
  if (!hasFailedSync(state.layout) && !hasForeign(state, durability)) return 0;
  const marks = readSyncMarks(state.layout);
  const failed = marks.filter(({ outcome }) => outcome === "failed");
  const dropped = database.transaction(() => {
    const done = marks.filter(({ outcome }) => outcome === "done");
    trustSynced(database, done);
    const cut = database
      .all<{ id: number }>(
        "SELECT id FROM layers WHERE unsynced IS NOT NULL AND unsynced<>?",
        durability.boot,
      )
      .map(({ id }) => id);
    const refused = failed.flatMap(({ boot, layers }) => stillMarked(database, boot, layers));
    return dropUnheld(state, cut, BY_RESTART) + dropUnheld(state, refused, BY_DISK);
  });
  removeSyncMarks(marks.filter(({ boot, outcome }) => outcome !== "begun" || boot !== durability.boot));
  return dropped;
}

/** Whether another kernel left marks. Almost always there is none at all: one look into an empty index. */
function hasForeign({ database }: StoreState, durability: Durability): boolean {
  if (database.get("SELECT 1 FROM layers WHERE unsynced IS NOT NULL LIMIT 1") === undefined) return false;
  const foreign = "SELECT 1 FROM layers WHERE unsynced IS NOT NULL AND unsynced<>? LIMIT 1";
  return database.get(foreign, durability.boot) !== undefined;
}

function stillMarked(database: StateDatabase, boot: string, layers: readonly number[]): number[] {
  const marked = "SELECT id FROM layers WHERE unsynced=? AND id IN (SELECT value FROM json_each(?))";
  return database.all<{ id: number }>(marked, boot, JSON.stringify(layers)).map(({ id }) => id);
}

/** In a transaction. `by` completes "evicted by" in explanations. */
function dropUnheld(state: StoreState, layers: readonly number[], by: string): number {
  if (layers.length === 0) return 0;
  const { database } = state;
  const held = readHeld(state.layout).snapshots;
  const lost = layers
    .flatMap((id) => snapshotsWith(state, id))
    .filter((id) => ![...withDescendants(database, [id])].some((one) => held.has(String(one))));
  if (lost.length > 0) dropSnapshots(state, lost, by);
  return lost.length;
}
