import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CacheMountStore } from "./api.ts";
import { guarded } from "./failure.ts";
import type { StoreState } from "./state.ts";
import { canceled, poll } from "./waiting.ts";

type Request = Parameters<CacheMountStore["acquire"]>[0];
type Acquired = Awaited<ReturnType<CacheMountStore["acquire"]>>;
type Sharing = Request["sharing"];

/** Descriptors that keep a folder in use. */
interface Locks {
  /** On `N.lock`: shared by those who share the folder, exclusive for those who have it alone. */
  readonly use: number;
  /** On `N.seed`, while a shared folder is being seeded: others who would share it wait for that. */
  seed: number | undefined;
}

const USE_GRAIN_MS = 60 * 60 * 1000;

interface Opened {
  readonly id: number;
  readonly locks: Locks;
  readonly created: boolean;
}

/**
 * Folders of cache mounts. A name has one folder, and more where private users met a busy one; the oldest is what shared and
 * locked users get. A folder counts as seeded only once its user says so (`release`, `seeded`): what a crash left half seeded
 * is emptied by the next to come.
 */
export class FolderCacheMountStore implements CacheMountStore {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  async acquire(request: Request): Promise<Acquired> {
    const { id: name, sharing, reset, signal } = request;
    if (signal.aborted) throw canceled(signal);
    this.#state.needs.note(`mount:${name}`);
    if (reset) return this.#handle(this.#replace(name, sharing));
    return this.#handle(await poll(() => this.#attempt(name, sharing), signal));
  }

  /** D090: a new folder takes the name. Builds that use the old one keep it until they are done. */
  #replace(name: string, sharing: Sharing): Opened {
    const { database } = this.#state;
    const old = this.#folders(name);
    const opened = this.#created(() =>
      database.transaction(() => {
        database.run("UPDATE cache_mounts SET retired=1 WHERE name=?", name);
        return this.#create(name, sharing);
      }),
    );
    for (const id of old) removeCacheMount(this.#state, id);
    return opened;
  }

  /** undefined: busy, ask again. */
  #attempt(name: string, sharing: Sharing): Opened | undefined {
    const folders = this.#folders(name);
    if (folders.length === 0) return this.#createFirst(name, sharing);
    if (sharing !== "private") return this.#open(folders[0]!, sharing);
    for (const id of folders) {
      const opened = this.#open(id, sharing);
      if (opened !== undefined) return opened;
    }
    return this.#created(() => this.#state.database.transaction(() => this.#create(name, sharing)));
  }

  #folders(name: string): number[] {
    const rows = this.#state.database.all<{ id: number }>(
      "SELECT id FROM cache_mounts WHERE name=? AND NOT retired ORDER BY id",
      name,
    );
    return rows.map((row) => row.id);
  }

  #createFirst(name: string, sharing: Sharing): Opened | undefined {
    return this.#created(() =>
      this.#state.database.transaction(() => {
        // Another process may have been quicker: then that one's folder is asked for next time.
        return this.#folders(name).length === 0 ? this.#create(name, sharing) : undefined;
      }),
    );
  }

  /** The folder is made after the commit, so that a crash leaves none that no row tells of; until then the locks keep others out. */
  #created<T extends Opened | undefined>(create: () => T): T {
    const opened = create();
    if (opened === undefined) return opened;
    try {
      this.#emptyFolder(opened.id);
      return opened;
    } catch (error) {
      this.#unlock(opened.locks);
      throw error;
    }
  }

  /** In a transaction. The locks are taken before the commit shows the folder to anyone: nobody else can be first. */
  #create(name: string, sharing: Sharing): Opened {
    const now = Date.now();
    const { lastId: id } = this.#state.database.run(
      "INSERT INTO cache_mounts(name, seeded, retired, created_at, last_used_at) VALUES(?, 0, 0, ?, ?)",
      name,
      now,
      now,
    );
    const use = this.#tryLock(`${id}.lock`, sharing === "shared" ? "shared" : "exclusive");
    if (use === undefined) throw new Error(`assertion failed: the new cache mount ${id} is locked`);
    const locks: Locks = { use, seed: undefined };
    try {
      if (sharing === "shared") locks.seed = this.#tryLock(`${id}.seed`, "exclusive");
      return { id, locks, created: true };
    } catch (error) {
      this.#unlock(locks);
      throw error;
    }
  }

  #open(id: number, sharing: Sharing): Opened | undefined {
    const use = this.#tryLock(`${id}.lock`, sharing === "shared" ? "shared" : "exclusive");
    if (use === undefined) return undefined;
    const locks: Locks = { use, seed: undefined };
    try {
      const opened = this.#confirm(id, locks, sharing);
      if (opened === undefined) this.#unlock(locks);
      return opened;
    } catch (error) {
      this.#unlock(locks);
      throw error;
    }
  }

  /** With the folder locked: it may have been replaced or may still be unseeded. */
  #confirm(id: number, locks: Locks, sharing: Sharing): Opened | undefined {
    if (this.#isSeeded(id) === false && sharing === "shared") {
      locks.seed = this.#tryLock(`${id}.seed`, "exclusive");
      if (locks.seed === undefined) return undefined;
    }
    // Asked again: whoever held the seed lock has finished meanwhile.
    const seeded = this.#isSeeded(id);
    if (seeded === undefined) return undefined;
    if (!seeded) this.#emptyFolder(id);
    else {
      this.#finishSeeding(locks);
      this.#markUsed(id);
    }
    return { id, locks, created: !seeded };
  }

  /** undefined: removed or replaced. */
  #isSeeded(id: number): boolean | undefined {
    const row = this.#state.database.get<{ seeded: number }>(
      "SELECT seeded FROM cache_mounts WHERE id=? AND NOT retired",
      id,
    );
    return row === undefined ? undefined : row.seeded === 1;
  }

  #handle(opened: Opened): Acquired {
    const { id, locks, created } = opened;
    let marked = !created;
    let open = true;
    const seeded = (): void => {
      if (!marked) this.#markSeeded(id);
      marked = true;
      this.#finishSeeding(locks);
    };
    const close = (): void => {
      open = false;
      this.#unlock(locks);
      this.#removeIfRetired(id);
    };
    return {
      folder: this.#folder(id),
      created,
      seeded,
      release: () => {
        if (!open) return;
        seeded();
        close();
      },
      abandon: () => {
        if (open) close();
      },
    };
  }

  #markSeeded(id: number): void {
    const { database } = this.#state;
    database.transaction(() => {
      database.run("UPDATE cache_mounts SET seeded=1, last_used_at=? WHERE id=?", Date.now(), id);
    });
  }

  /** Coarsely: a build that only uses a mount seldom writes. */
  #markUsed(id: number): void {
    const { database } = this.#state;
    const before = Date.now() - USE_GRAIN_MS;
    if (database.get("SELECT 1 FROM cache_mounts WHERE id=? AND last_used_at<?", id, before) === undefined)
      return;
    database.transaction(() => {
      database.run("UPDATE cache_mounts SET last_used_at=? WHERE id=?", Date.now(), id);
    });
  }

  #finishSeeding(locks: Locks): void {
    if (locks.seed !== undefined) this.#state.native.close(locks.seed);
    locks.seed = undefined;
  }

  #unlock(locks: Locks): void {
    this.#finishSeeding(locks);
    this.#state.native.close(locks.use);
  }

  #removeIfRetired(id: number): void {
    const row = this.#state.database.get("SELECT 1 FROM cache_mounts WHERE id=? AND retired", id);
    if (row !== undefined) removeCacheMount(this.#state, id);
  }

  #emptyFolder(id: number): void {
    const { layout, trash } = this.#state;
    guarded("make a cache mount", layout.root, () => {
      trash.discard(join(layout.cacheMounts, String(id)));
      mkdirSync(this.#folder(id), { recursive: true, mode: 0o755 });
    });
  }

  #folder(id: number): string {
    return join(this.#state.layout.cacheMounts, String(id), "fs");
  }

  #tryLock(file: string, mode: "shared" | "exclusive"): number | undefined {
    const { layout, native } = this.#state;
    return guarded("lock a cache mount", layout.root, () =>
      native.tryLock(join(layout.cacheMounts, file), mode),
    );
  }
}

/** Removes a folder unless somebody uses it; then returns false. */
export function removeCacheMount(state: StoreState, id: number): boolean {
  const { layout, native, database, trash } = state;
  const file = join(layout.cacheMounts, `${id}.lock`);
  const lock = native.tryLock(file, "exclusive");
  if (lock === undefined) return false;
  try {
    database.transaction(() => {
      database.run("DELETE FROM cache_mounts WHERE id=?", id);
      trash.schedule(`cache-mounts/${id}`);
    });
    trash.sweep();
    rmSync(join(layout.cacheMounts, `${id}.seed`), { force: true });
    rmSync(file, { force: true });
    return true;
  } finally {
    native.close(lock);
  }
}
