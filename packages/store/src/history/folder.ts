import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { errnoCode, uniqueName } from "@tsbuild/base";
import { guarded } from "../failure.ts";
import type { StoreState } from "../state.ts";
import type { HistoryEntry, HistoryStore, HistoryWriter } from "./api.ts";
import { decodeFrames } from "./log-frames.ts";
import { FolderWriter } from "./writer.ts";

/** `STARTED-ID`: the time in base 36, padded, so that names sort by it. */
const NAME = /^([0-9a-z]{9})-([0-9a-f]{8})$/;
const STEP = /^[\w.-]{1,80}$/;
const CHUNK_BYTES = 256 * 1024;

/**
 * A folder per build, and no rows: a build that finds everything in the cache leaves the database alone, so that closing it costs
 * no checkpoint with its two fsyncs. `build.json` is replaced by rename, `log-STEP` are appended to.
 *
 * `NAME.lock` beside the folder is flock()ed by the build's process before the folder is there, and removed at the end: a folder
 * with a lock file that nobody holds is that of a crash. Whoever removes an entry holds that lock too, and lets a rename do it.
 */
export class FolderHistoryStore implements HistoryStore {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  begin(startedAtMs: number): HistoryWriter {
    const { history, root } = this.#state.layout;
    return guarded("write the build history", root, () => {
      mkdirSync(history, { recursive: true, mode: 0o700 });
      for (;;) {
        const id = uniqueName(8);
        const name = `${startedAtMs.toString(36).padStart(9, "0")}-${id}`;
        const lock = this.#tryLock(name, "exclusive");
        // Between making the file and locking it, a trim may take it for that of a dead build: use another name.
        if (lock === undefined) continue;
        return this.#writer(id, name, lock);
      }
    });
  }

  #writer(id: string, name: string, lock: number): FolderWriter {
    const folder = join(this.#state.layout.history, name);
    const end = (discard: boolean): void => {
      if (discard) this.#discard(name);
      this.#unlock(name, lock);
    };
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      end(false);
      throw error;
    }
    return new FolderWriter(id, folder, end);
  }

  list(): readonly HistoryEntry[] {
    return this.#names().map((name) => this.#entry(name));
  }

  remove(id: string): boolean {
    const name = this.#names().find((folder) => folder.endsWith(`-${id}`));
    return name !== undefined && this.#remove(name);
  }

  trim({ builds, logBytes }: { readonly builds: number; readonly logBytes?: number | undefined }): void {
    const names = this.#names();
    const surplus = names.length > builds + Math.floor(builds / 8) ? names.slice(builds) : [];
    for (const name of surplus) this.#remove(name);
    if (surplus.length > 0) this.#removeLostLocks();
    if (logBytes === undefined) return;
    let bytes = 0;
    for (const [index, name] of names.slice(0, names.length - surplus.length).entries()) {
      bytes += this.#logBytes(name);
      if (index > 0 && bytes > logBytes) this.#remove(name);
    }
  }

  /** Newest first. */
  #names(): string[] {
    return namesIn(this.#state.layout.history)
      .filter((name) => NAME.test(name))
      .sort()
      .reverse();
  }

  #entry(name: string): HistoryEntry {
    const folder = join(this.#state.layout.history, name);
    const [, started = "", id = ""] = NAME.exec(name) ?? [];
    return {
      id,
      startedAtMs: Number.parseInt(started, 36),
      document: () => readIfThere(join(folder, "build.json")),
      isOpen: () => this.#isOpen(name),
      log: (step) => (STEP.test(step) ? decodeFrames(chunksOf(join(folder, `log-${step}`))) : []),
    };
  }

  #isOpen(name: string): boolean {
    if (!existsSync(this.#lockFile(name))) return false;
    const lock = this.#tryLock(name, "shared");
    if (lock === undefined) return true;
    this.#state.native.close(lock);
    return false;
  }

  #remove(name: string): boolean {
    const lock = this.#tryLock(name, "exclusive");
    if (lock === undefined) return false;
    try {
      this.#discard(name);
    } finally {
      this.#unlock(name, lock);
    }
    return true;
  }

  #discard(name: string): void {
    this.#state.trash.discard(join(this.#state.layout.history, name));
  }

  /** Removes the file while it is still locked: whoever opened it before finds out by its inode. */
  #unlock(name: string, lock: number): void {
    rmSync(this.#lockFile(name), { force: true });
    this.#state.native.close(lock);
  }

  /** Of processes that died before they made their folder, or after they had removed one. */
  #removeLostLocks(): void {
    const names = namesIn(this.#state.layout.history);
    const folders = new Set(names);
    const lost = names.flatMap((file) => {
      const name = /^(.*)\.lock$/.exec(file)?.[1];
      return name === undefined || folders.has(name) ? [] : [name];
    });
    for (const name of lost) {
      const lock = this.#tryLock(name, "exclusive");
      if (lock !== undefined) this.#unlock(name, lock);
    }
  }

  #tryLock(name: string, mode: "shared" | "exclusive"): number | undefined {
    return this.#state.native.tryLock(this.#lockFile(name), mode);
  }

  #lockFile(name: string): string {
    return join(this.#state.layout.history, `${name}.lock`);
  }

  #logBytes(name: string): number {
    const folder = join(this.#state.layout.history, name);
    const logs = namesIn(folder).filter((file) => file.startsWith("log-"));
    return logs.reduce(
      (sum, file) => sum + (statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  }
}

/** Another process may remove an entry while it is read: then it is as if it had not been there. */
function orIfGone<T>(read: () => T, gone: T): T {
  try {
    return read();
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return gone;
    throw error;
  }
}

function readIfThere(file: string): string | undefined {
  return orIfGone(() => readFileSync(file, "utf8"), undefined);
}

function namesIn(folder: string): string[] {
  return orIfGone(() => readdirSync(folder), []);
}

/** A log may be larger than memory. */
function* chunksOf(path: string): Generator<Buffer> {
  const file = orIfGone(() => openSync(path, "r"), undefined);
  if (file === undefined) return;
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = readSync(file, chunk);
      if (count === 0) return;
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(file);
  }
}
