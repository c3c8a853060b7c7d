import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { withDescendants } from "./descendants.ts";
import { dropSnapshots, snapshotsWith } from "./drop.ts";
import { guardedAsync } from "./failure.ts";
import { readHeld } from "./leases.ts";
import type { StoreState } from "./state.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What the traces of lost records name as the one who removed them. */
const BY = "a restart before it was on disk";

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
 * Layers get to the disk once per build, not once per step. A layer is committed with a mark: the kernel that may still have parts of it in
 * memory only. One syncfs, begun when all steps are done (`begin`) or when the store is closed, clears the marks of all layers that were committed before it, also those of processes that
 * were killed. What is still marked by another kernel than this one may be lost or cut, so it goes, with all that is made on it.
 *
 * The order that this relies on: a mark is in the transaction that makes the layer visible, and goes in one that begins after the data is on
 * disk; the database's log keeps the order of transactions also through a power cut.
 */
export class Durability {
  readonly #state: SyncedState;
  readonly #boot: () => string;
  #bootId: string | undefined;
  #marked = false;
  /** One after the other. Once one has failed all do: what is lost then cannot be told. */
  #syncing: Promise<void> = Promise.resolve();
  #isAhead = false;

  constructor(state: SyncedState, boot: () => string) {
    this.#state = state;
    this.#boot = boot;
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

  /** Lets the disk begin with what was committed, for those who have other things to do meanwhile. How that went, `sync` tells. */
  begin(): void {
    this.#syncing = this.#syncing.then(() => this.#syncMarked());
    this.#syncing.catch(() => undefined);
  }

  /** Lets the disk begin with what was written and is not committed yet, so that `sync` has less to wait for. One at a time: `sync` sees to the rest. */
  writeAhead(): void {
    if (this.#isAhead) return;
    this.#isAhead = true;
    this.#syncing = this.#syncing
      .then(() => this.#syncFs())
      .finally(() => {
        this.#isAhead = false;
      });
    this.#syncing.catch(() => undefined);
  }

  /** Brings to the disk what was committed; nothing to do when this process committed nothing. Throws TSB_STORE when the disk fails. */
  async sync(): Promise<void> {
    this.begin();
    await this.#syncing;
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
    const layers = database.all<{ id: number }>("SELECT id FROM layers WHERE unsynced=?", this.boot);
    await this.#syncFs();
    database.transaction(() => {
      const ids = JSON.stringify(layers.map(({ id }) => id));
      database.run("UPDATE layers SET unsynced=NULL WHERE id IN (SELECT value FROM json_each(?))", ids);
    });
  }
}

/**
 * Forgets layers that another start of the kernel left marked. Those that a living process holds are spared: it has written them itself, on
 * another machine or where no boot id can be read. Returns how many snapshots went.
 */
export function dropUnsynced(state: StoreState, durability: Durability): number {
  const { database } = state;
  // Almost always there is none: one look into an empty index.
  if (database.get("SELECT 1 FROM layers WHERE unsynced IS NOT NULL LIMIT 1") === undefined) return 0;
  return database.transaction(() => {
    const layers = database.all<{ id: number }>(
      "SELECT id FROM layers WHERE unsynced IS NOT NULL AND unsynced<>?",
      durability.boot,
    );
    const held = readHeld(state.layout).snapshots;
    const lost = layers
      .flatMap(({ id }) => snapshotsWith(state, id))
      .filter((id) => ![...withDescendants(database, [id])].some((one) => held.has(String(one))));
    if (lost.length > 0) dropSnapshots(state, lost, BY);
    return lost.length;
  });
}
