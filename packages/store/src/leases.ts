import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Digest, SnapshotId } from "@tsbuild/base";
import { assert, digestHex, errnoCode, TsbuildError, uniqueName } from "@tsbuild/base";
import { guarded } from "./failure.ts";
import type { Layout } from "./layout.ts";
import { removeLeft } from "./left-outside.ts";
import type { NativeCalls } from "./native.ts";

interface Files {
  readonly name: string;
  readonly lock: number;
  /** Descriptor of the log of what is held. */
  readonly held: number;
}

/** What all leases of a state folder hold at one moment. */
export interface HeldSet {
  readonly snapshots: ReadonlySet<string>;
  /** Hex digests. */
  readonly blobs: ReadonlySet<string>;
}

/**
 * Keeps what one `Store` object works with from collection. A lease is a lock file that its process keeps flock()ed, so that
 * the kernel ends it with the process; a log of what it holds; and a folder for temporary files.
 *
 * Holds are lines appended to a file, not rows: they need no durability (a reboot ends every lease), and a build that finds
 * everything in the cache then writes nothing to the database, so that closing it costs no checkpoint (two fsyncs).
 *
 * A hold is safe when it is taken inside a transaction of the database that also checks that the thing is there: `prune`
 * reads all logs inside its own transaction, and only one transaction runs at a time.
 *
 * Nothing is made on disk until something is to be held.
 */
export class Lease {
  readonly #layout: Layout;
  readonly #locks: NativeCalls;
  readonly #counts = new Map<string, number>();
  #files: Files | undefined;
  #folder: string | undefined;
  #closed = false;

  constructor(layout: Layout, locks: NativeCalls) {
    this.#layout = layout;
    this.#locks = locks;
  }

  /** Names the lease in the database. */
  get name(): string {
    return this.#open().name;
  }

  /** True when `name` is this lease, without making it. */
  is(name: string): boolean {
    return this.#files?.name === name;
  }

  /** Counts; the log has the first and the last. */
  holdSnapshot(id: SnapshotId): void {
    this.#hold(`s${id}`);
  }

  holdsSnapshot(id: SnapshotId): boolean {
    return this.#counts.has(`s${id}`);
  }

  releaseSnapshot(id: SnapshotId): void {
    this.#release(`s${id}`);
  }

  /** Blobs stay held until the lease ends. */
  holdBlob(digest: Digest): void {
    const entry = `b${digestHex(digest)}`;
    if (!this.#counts.has(entry)) this.#hold(entry);
  }

  holdsBlob(digest: Digest): boolean {
    return this.#counts.has(`b${digestHex(digest)}`);
  }

  /** A fresh empty folder that ends with the lease. */
  temporaryFolder(): string {
    return guarded("make a temporary folder", this.#layout.root, () => mkdtempSync(join(this.folder(), "t")));
  }

  /** The folder of temporary files. */
  folder(): string {
    if (this.#folder === undefined) {
      const folder = this.#layout.leaseFolder(this.#open().name);
      guarded("make a temporary folder", this.#layout.root, () => mkdirSync(folder, { recursive: true }));
      this.#folder = folder;
    }
    return this.#folder;
  }

  /** See `Store.removeIfKilled`. */
  leave(path: string): void {
    const file = this.#layout.leaseLeft(this.#open().name);
    guarded("write the lease", this.#layout.root, () => appendFileSync(file, `${JSON.stringify(path)}\n`));
  }

  /** `discard` takes the temporary folder away, which nobody uses any more. */
  dropFolder(discard: (folder: string) => void): void {
    if (this.#folder !== undefined) discard(this.#folder);
    this.#folder = undefined;
  }

  /** Gives everything up. `discardFolder` takes the temporary folder away. */
  close(discardFolder: (folder: string) => void): void {
    this.#closed = true;
    this.dropFolder(discardFolder);
    const files = this.#files;
    this.#files = undefined;
    if (files === undefined) return;
    closeSync(files.held);
    rmSync(this.#layout.leaseHeld(files.name), { force: true });
    rmSync(this.#layout.leaseLeft(files.name), { force: true });
    rmSync(this.#layout.leaseLock(files.name), { force: true });
    this.#locks.close(files.lock);
  }

  #hold(entry: string): void {
    const count = this.#counts.get(entry) ?? 0;
    if (count === 0) this.#log(`+${entry}\n`);
    this.#counts.set(entry, count + 1);
  }

  #release(entry: string): void {
    const count = this.#counts.get(entry) ?? 0;
    assert(count > 0, `release of ${entry}, which is not held`);
    if (count > 1) {
      this.#counts.set(entry, count - 1);
      return;
    }
    this.#counts.delete(entry);
    // A handle released after the store was closed: the lease has let go of everything already.
    if (!this.#closed) this.#log(`-${entry}\n`);
  }

  #log(line: string): void {
    const { held } = this.#open();
    guarded("write the lease", this.#layout.root, () => writeSync(held, line));
  }

  #open(): Files {
    if (this.#files !== undefined) return this.#files;
    if (this.#closed) throw new TsbuildError("TSB_STORE", "the state folder was used after it was closed");
    this.#files = guarded("make a lease", this.#layout.root, () => this.#create());
    return this.#files;
  }

  #create(): Files {
    for (;;) {
      const name = uniqueName(16);
      const lock = this.#locks.tryLock(this.#layout.leaseLock(name), "exclusive");
      // Between making the file and locking it, an opening process may take it for that of a dead one: use another name.
      if (lock === undefined) continue;
      try {
        return { name, lock, held: openSync(this.#layout.leaseHeld(name), "ax", 0o600) };
      } catch (error) {
        this.#locks.close(lock);
        throw error;
      }
    }
  }
}

/**
 * Ends the leases whose process died: calls `reap` for each while holding its lock, then removes its files. A crash in the
 * middle leaves a lease that is dead again. Returns how many there were.
 */
export function collectDeadLeases(options: {
  readonly layout: Layout;
  readonly locks: NativeCalls;
  readonly own: Lease | undefined;
  readonly reap: (name: string) => void;
}): number {
  const { layout, locks, own, reap } = options;
  let count = 0;
  for (const file of readdirSync(layout.leases)) {
    const name = leaseOfFile(file);
    if (name === undefined || own?.is(name)) continue;
    const lock = locks.tryLock(layout.leaseLock(name), "exclusive");
    if (lock === undefined) continue;
    try {
      reap(name);
      rmSync(layout.leaseHeld(name), { force: true });
      // Its processes may still be ending: the lock file stays, and the next to come tries again.
      if (!removeLeft(layout.leaseLeft(name))) continue;
      rmSync(layout.leaseLock(name), { force: true });
      count += 1;
    } finally {
      locks.close(lock);
    }
  }
  return count;
}

/** Every lease has its lock file first and loses it last. */
function leaseOfFile(file: string): string | undefined {
  return file.endsWith(".lock") ? file.slice(0, -".lock".length) : undefined;
}

/** Reads the logs of all leases. Call it inside a transaction (see `Lease`). */
export function readHeld(layout: Layout): HeldSet {
  const all = [...heldByLease(layout).values()];
  return {
    snapshots: new Set(all.flatMap(({ snapshots }) => [...snapshots])),
    blobs: new Set(all.flatMap(({ blobs }) => [...blobs])),
  };
}

/** By name of the lease. */
export function heldByLease(layout: Layout): ReadonlyMap<string, HeldSet> {
  const files = readdirSync(layout.leases).filter((file) => file.endsWith(".held"));
  return new Map(
    files.map((file) => [file.slice(0, -".held".length), heldSet(entriesOf(join(layout.leases, file)))]),
  );
}

function entriesOf(file: string): Set<string> {
  const own = new Set<string>();
  for (const line of readLog(file).split("\n")) {
    if (line.startsWith("+")) own.add(line.slice(1));
    else if (line.startsWith("-")) own.delete(line.slice(1));
  }
  return own;
}

function heldSet(entries: Iterable<string>): HeldSet {
  const snapshots = new Set<string>();
  const blobs = new Set<string>();
  for (const entry of entries) (entry.startsWith("s") ? snapshots : blobs).add(entry.slice(1));
  return { snapshots, blobs };
}

function readLog(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    // The lease was closed since the file was listed.
    if (errnoCode(error) === "ENOENT") return "";
    throw error;
  }
}
