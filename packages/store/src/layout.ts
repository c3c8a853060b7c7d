import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestHex } from "@tsbuild/base";
import { makeFolders } from "@tsbuild/native-fs";

/** Version of everything below the state folder; another format goes into another folder beside it. */
const FORMAT = "v1";

/**
 * Where things are in a state folder:
 *
 *     ROOT/v1/state.db          metadata (see schema.ts); -wal and -shm beside it
 *     ROOT/v1/blobs/sha256/HEX  committed blobs
 *     ROOT/v1/snapshots/N/fs    a layer folder. N is the layer's row id
 *     ROOT/v1/snapshots/N/copied what a COPY of many files put into the layer, for its next run (see ops, file/copied-tree.ts)
 *     ROOT/v1/leases/ID.lock    flock()ed as long as the lease's process lives
 *     ROOT/v1/leases/ID.held    what the lease holds, a log of `+s12`, `-s12`, `+b<hex>`
 *     ROOT/v1/leases/ID.left    what its process would leave outside of the state folder if it were killed: a path a line, as JSON
 *     ROOT/v1/leases/ID/        temporary files of the lease; `work-N` of the layers that it is writing
 *     ROOT/v1/work.lock         work locks: a byte each (see locks.ts); `locks/` beside it is what an earlier version had
 *     ROOT/v1/cache-mounts/N/fs folders of RUN --mount=type=cache; N.lock and N.seed beside
 *     ROOT/v1/history/T-ID/     a build: build.json, log-STEP; T-ID.lock beside while its process lives
 *     ROOT/v1/syncs/ID.begun    which layers are being brought to the disk; .done, .failed when that has ended (see sync-marks.ts)
 *     ROOT/v1/trash/            renamed here, removed in the background
 *     ROOT/v1/gc.lock, gc.json  one collection at a time; what the last one found
 *     ROOT/contexts/HEX         indexes of local contexts
 *     ROOT/git/NAME             bare repositories of git sources
 *     ROOT/network-proof       what connects networks of steps, and has done so since this boot
 *
 * All of it is on one filesystem: blobs, layers and trash move by rename.
 */
export class Layout {
  readonly root: string;
  readonly base: string;
  readonly database: string;
  readonly blobs: string;
  readonly snapshots: string;
  readonly leases: string;
  readonly workLock: string;
  readonly oldLocks: string;
  readonly cacheMounts: string;
  readonly history: string;
  readonly syncs: string;
  readonly trash: string;
  readonly contexts: string;
  readonly git: string;
  readonly gcLock: string;
  readonly gcState: string;

  constructor(root: string) {
    this.root = root;
    this.base = join(root, FORMAT);
    this.database = join(this.base, "state.db");
    this.blobs = join(this.base, "blobs", "sha256");
    this.snapshots = join(this.base, "snapshots");
    this.leases = join(this.base, "leases");
    this.workLock = join(this.base, "work.lock");
    this.oldLocks = join(this.base, "locks");
    this.cacheMounts = join(this.base, "cache-mounts");
    this.history = join(this.base, "history");
    this.syncs = join(this.base, "syncs");
    this.trash = join(this.base, "trash");
    this.contexts = join(root, "contexts");
    this.git = join(root, "git");
    this.gcLock = join(this.base, "gc.lock");
    this.gcState = join(this.base, "gc.json");
  }

  blob(digest: Digest): string {
    return join(this.blobs, digestHex(digest));
  }

  layer(id: number): string {
    return join(this.snapshots, String(id));
  }

  layerFolder(id: number): string {
    return join(this.snapshots, String(id), "fs");
  }

  leaseLock(name: string): string {
    return join(this.leases, `${name}.lock`);
  }

  leaseHeld(name: string): string {
    return join(this.leases, `${name}.held`);
  }

  leaseLeft(name: string): string {
    return join(this.leases, `${name}.left`);
  }

  leaseFolder(name: string): string {
    return join(this.leases, name);
  }

  /**
   * Makes the folders. Only the owner may enter `base`: layers hold set-uid programs and files of other users, which nobody
   * else of the machine may reach by path. What is below keeps ordinary modes.
   */
  create(): void {
    makeFolders(this.root, 0o700);
    makeFolders(this.base, 0o700);
    const folders = [this.blobs, this.snapshots, this.leases, this.cacheMounts, this.trash] as const;
    for (const folder of folders) makeFolders(folder, 0o755);
    // By the folder's owner: the first who waits for a step may be root on a user's folder.
    closeSync(openSync(this.workLock, constants.O_RDWR | constants.O_CREAT, 0o600));
  }
}
