import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { errnoCode, uniqueName } from "@tsbuild/base";
import { encodeTreeOps } from "@tsbuild/native-fs";
import type { StateDatabase } from "./database.ts";
import { guardedAsync } from "./failure.ts";
import type { Layout } from "./layout.ts";
import type { NativeCalls } from "./native.ts";

/**
 * Removes folders without making anyone wait: they are renamed into `trash/` at once and emptied in the background. The
 * rename comes after the commit that forgot them; the `removals` table, written by that commit, makes up for a crash between.
 */
export class Trash {
  readonly #layout: Layout;
  readonly #database: StateDatabase;
  readonly #native: NativeCalls;
  #stop = false;
  #emptying: Promise<void> | undefined;
  /** Of `#emptying`: a promise does not tell whether it is settled. */
  #isEmptying = false;

  constructor(parts: {
    readonly layout: Layout;
    readonly database: StateDatabase;
    readonly native: NativeCalls;
  }) {
    this.#layout = parts.layout;
    this.#database = parts.database;
    this.#native = parts.native;
  }

  /** In a transaction: this folder (below the base) has no row any more. `sweep` after the commit moves it away. */
  schedule(folder: string): void {
    this.#database.run("INSERT OR IGNORE INTO removals(folder) VALUES(?)", folder);
  }

  /** Moves away what transactions scheduled, this process's or a dead one's. */
  sweep(): void {
    const rows = this.#database.all<{ folder: string }>("SELECT folder FROM removals");
    if (rows.length === 0) return;
    for (const { folder } of rows) this.discard(join(this.#layout.base, folder));
    this.#database.transaction(() => {
      for (const { folder } of rows) this.#database.run("DELETE FROM removals WHERE folder=?", folder);
    });
  }

  /** Moves a folder or file away. One that is not there is fine: another process was quicker. */
  discard(path: string): void {
    const target = join(this.#layout.trash, uniqueName(16));
    try {
      renameSync(path, target);
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw error;
    }
  }

  isEmpty(): boolean {
    return readdirSync(this.#layout.trash).length === 0;
  }

  /** Starts emptying in the background if there is anything; what comes while it goes on is emptied, too. */
  start(): void {
    if (this.#isEmptying || this.isEmpty()) return;
    this.#emptying = this.#empty();
    // The outcome is told by `finish`; until then it must not count as unhandled.
    this.#emptying.catch(() => undefined);
  }

  /**
   * Waits until the trash is empty, `budgetMs` at most if given; the rest is left to later builds. Rejects with TSB_STORE when
   * something cannot be removed.
   */
  async finish(budgetMs?: number): Promise<void> {
    this.#stop = false;
    this.start();
    const emptying = this.#emptying;
    if (emptying === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    /* The folder that is being removed then goes on to be, as long as this process lives. */
    const stopped = new Promise<void>((resolve) => {
      const stop = (): void => {
        this.#stop = true;
        resolve();
      };
      if (budgetMs !== undefined) timer = setTimeout(stop, budgetMs);
    });
    try {
      await guardedAsync("empty the trash", this.#layout.root, () => Promise.race([emptying, stopped]));
    } finally {
      clearTimeout(timer);
      if (!this.#isEmptying) this.#emptying = undefined;
    }
  }

  async #empty(): Promise<void> {
    const failures = new Map<string, unknown>();
    const left = (): string[] => readdirSync(this.#layout.trash).filter((name) => !failures.has(name));
    this.#isEmptying = true;
    try {
      for (let names = left(); names.length > 0 && !this.#stop; names = left()) {
        for (const name of names) {
          if (this.#stop) break;
          // What cannot be removed must not keep the rest.
          await this.#removeTree(name).catch((error: unknown) => failures.set(name, error));
        }
      }
    } finally {
      this.#isEmptying = false;
    }
    for (const failure of failures.values()) throw failure;
  }

  /**
   * On a thread, in one call: the addon goes by descriptors, so that no folder is too deep for it, and gets into folders that nobody may. Two processes
   * may empty at once: what is gone is fine.
   */
  async #removeTree(name: string): Promise<void> {
    const folder = this.#native.openFolder(this.#layout.trash);
    const ops = encodeTreeOps([{ type: "remove", path: name, existing: "error" }]);
    await this.#native.apply(folder, -1, ops, { hash: false }).finally(() => this.#native.close(folder));
  }
}
