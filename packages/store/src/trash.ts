import {
  chmod as chmodThen,
  readdirSync,
  readdir as readdirThen,
  renameSync,
  rmdir as rmdirThen,
  unlink as unlinkThen,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { errnoCode, uniqueName } from "@tsbuild/base";
import type { StateDatabase } from "./database.ts";
import { guardedAsync } from "./failure.ts";
import type { Layout } from "./layout.ts";
import type { NativeCalls } from "./native.ts";

/** Not of node:fs/promises: to load it takes 3 ms, mostly at the end of a build, when nothing else is left to do. */
const chmod = promisify(chmodThen);
const readdir = promisify(readdirThen);
const rmdir = promisify(rmdirThen);
const unlink = promisify(unlinkThen);

/** Files removed at a time: enough to keep the disk busy, few enough to leave threads to the build. */
const PARALLEL = 16;

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

  /** Starts emptying in the background if there is anything; what comes while it goes on is emptied, too. */
  start(): void {
    if (this.#isEmptying || readdirSync(this.#layout.trash).length === 0) return;
    this.#emptying = this.#empty();
    // The outcome is told by `finish`; until then it must not count as unhandled.
    this.#emptying.catch(() => undefined);
  }

  /**
   * Waits until the trash is empty, `budgetMs` at most if given; the rest is left to later builds. Rejects with TSB_STORE when
   * something cannot be removed.
   */
  async finish(budgetMs?: number): Promise<void> {
    this.start();
    const emptying = this.#emptying;
    if (emptying === undefined) return;
    const stop = (): void => {
      this.#stop = true;
    };
    const timer = budgetMs === undefined ? undefined : setTimeout(stop, budgetMs);
    try {
      await guardedAsync("empty the trash", this.#layout.root, () => emptying);
    } finally {
      clearTimeout(timer);
      this.#emptying = undefined;
      this.#stop = false;
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

  async #removeTree(name: string): Promise<void> {
    try {
      await this.#remove(Buffer.from(join(this.#layout.trash, name)));
    } catch (error) {
      // A step can nest folders deeper than a path can be long. The addon goes by descriptors, but makes everyone wait.
      if (errnoCode(error) !== "ENAMETOOLONG") throw error;
      this.#removeByDescriptors(name);
    }
  }

  #removeByDescriptors(name: string): void {
    const root = this.#native.openFolder(this.#layout.trash);
    try {
      this.#native.removeInRoot(root, name);
    } finally {
      this.#native.close(root);
    }
  }

  /** Paths are bytes: a layer may hold names that are not UTF-8. Two processes may empty at once: what is gone is fine. */
  async #remove(path: Buffer): Promise<void> {
    if (this.#stop) return;
    try {
      await unlink(path);
    } catch (error) {
      const code = errnoCode(error);
      if (code === "ENOENT") return;
      // unlink(2) of a folder: EISDIR on Linux.
      if (code !== "EISDIR") throw error;
      await this.#removeFolder(path);
    }
  }

  async #removeFolder(path: Buffer): Promise<void> {
    const names = await namesIn(path);
    for (let start = 0; start < names.length && !this.#stop; start += PARALLEL) {
      const batch = names.slice(start, start + PARALLEL);
      await Promise.all(batch.map((name) => this.#remove(Buffer.concat([path, SLASH, name]))));
    }
    if (this.#stop) return;
    try {
      await rmdir(path);
    } catch (error) {
      const code = errnoCode(error);
      if (code !== "ENOENT" && code !== "ENOTEMPTY") throw error;
    }
  }
}

const SLASH = Buffer.from("/");

async function namesIn(path: Buffer): Promise<Buffer[]> {
  try {
    return await readdir(path, { encoding: "buffer" });
  } catch (error) {
    const code = errnoCode(error);
    if (code === "ENOENT") return [];
    // overlayfs makes its work folder mode 000, and a step may have made any folder unreadable.
    if (code !== "EACCES") throw error;
    await chmod(path, 0o700);
    return readdir(path, { encoding: "buffer" });
  }
}
