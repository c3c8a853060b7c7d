import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, open, readdir, readlink, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import type { Store } from "@tsbuild/store";

/**
 * A file that is written under another name beside its place and renamed, so that there is the whole file or what was there before. The
 * lock on it tells others that its writer lives: what a killed one left is removed by the next export to the same target, or the next use
 * of its state folder.
 */
export class NewFile {
  readonly handle: FileHandle;
  readonly #target: string;
  readonly #temporary: string;
  readonly #lock: number | undefined;
  #ended = false;

  private constructor(
    handle: FileHandle,
    { target, temporary }: { readonly target: string; readonly temporary: string },
  ) {
    this.handle = handle;
    this.#target = target;
    this.#temporary = temporary;
    this.#lock = nativeFs.tryLock(temporary, "exclusive");
  }

  /** To be ended with `drop`, published or not. */
  static async make(path: string, store: Pick<Store, "removeIfKilled"> | undefined): Promise<NewFile> {
    const target = await linkTarget(resolve(path));
    await removeStale(target);
    const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
    store?.removeIfKilled(temporary);
    return new NewFile(await open(temporary, "wx"), { target, temporary });
  }

  /** All of it is written. */
  async publish(): Promise<void> {
    await this.handle.close();
    await rename(this.#temporary, this.#target);
  }

  /** Leaves nothing but what was published. */
  async drop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.handle.close();
    await rm(this.#temporary, { force: true });
    if (this.#lock !== undefined) nativeFs.close(this.#lock);
  }
}

const MAX_LINKS = 40;

/** Where a link leads, also when nothing is there yet: it is written through, as by every other program. */
export async function linkTarget(path: string): Promise<string> {
  let at = path;
  for (let followed = 0; followed < MAX_LINKS; followed++) {
    const found = await lstat(at).catch(() => undefined);
    if (found?.isSymbolicLink() !== true) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  return path;
}

/** Temporary files of writers that were killed. */
async function removeStale(target: string): Promise<void> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue;
    const file = join(folder, name);
    const found = await lstat(file).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    const lock = nativeFs.tryLock(file, "exclusive");
    if (lock === undefined) continue;
    await rm(file, { force: true });
    nativeFs.close(lock);
  }
}
