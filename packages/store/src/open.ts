import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import type { Snapshotter, Store } from "./api.ts";
import { FileBlobStore } from "./blobs.ts";
import { SqliteCacheStorage } from "./cache.ts";
import { FolderCacheMountStore } from "./cache-mounts.ts";
import { StateDatabase } from "./database.ts";
import { bootId, Durability, dropLost } from "./durability.ts";
import { guarded } from "./failure.ts";
import { rememberEmpty } from "./gc/look.ts";
import { FolderHistoryStore } from "./history/folder.ts";
import { SqliteImageStore } from "./images.ts";
import { Layout } from "./layout.ts";
import { collectDeadLeases, Lease } from "./leases.ts";
import { FileWorkLocks, LockFile } from "./locks.ts";
import { SqliteMemoStore } from "./memo.ts";
import type { NativeCalls } from "./native.ts";
import { NeedsLog } from "./needs.ts";
import { Scraps } from "./scraps.ts";
import { leaveRest, mayStay } from "./settle.ts";
import { OverlaySnapshotStore, removeActiveOf } from "./snapshots.ts";
import { rememberState, type StoreState } from "./state.ts";
import { Trash } from "./trash.ts";
import { ChosenViews } from "./views/choose.ts";

export interface StoreOptions {
  /** The state folder; made when it is not there. */
  readonly root: string;
  /** The addon when not given. */
  readonly native?: NativeCalls;
  /** How snapshots are looked at; default `auto`. */
  readonly snapshotter?: Snapshotter | "auto" | undefined;
  /** With the snapshotter `copy`: roots of views are folders, never mounts of them. */
  readonly plainRoots?: boolean | undefined;
  /** Which start of the kernel this is; the kernel is asked when not given. */
  readonly boot?: (() => string) | undefined;
  /** Path of native/settle, which then does what `close` would wait for, unless this process is in a container. */
  readonly settleProgram?: (() => string) | undefined;
  /** The process ends right after `close`: the database need not be closed, only brought to the disk. */
  readonly processEnds?: boolean | undefined;
}

/** Emptying the trash begins this long after opening: the start of a build has better things to do. */
const TRASH_DELAY_MS = 200;
/** What closing may spend on emptying the trash; the next build goes on. */
const TRASH_BUDGET_MS = 200;

/**
 * Opens the state folder. Throws TSB_STORE when it cannot be read or written, or is of a newer version. Synchronous and
 * without fsync, so that a build that finds everything in the cache spends a few milliseconds here.
 */
export function openStore(options: StoreOptions): Store {
  const layout = new Layout(resolve(options.root));
  // The database is made last: with it there, all else is.
  if (!existsSync(layout.database)) guarded("make the state folder", layout.root, () => makeFolder(layout));
  const database = new StateDatabase(layout.database, layout.root, options);
  const native = options.native ?? nativeFs;
  const settleProgram = mayStay() ? options.settleProgram : undefined;
  const state: StoreState = {
    layout,
    database,
    native,
    lease: new Lease(layout, native),
    trash: new Trash({ layout, database, native }),
    scraps: new Scraps(native),
    needs: new NeedsLog(),
    durability: new Durability(
      { layout, database, native },
      { boot: options.boot ?? bootId, isLeft: settleProgram !== undefined },
    ),
  };
  try {
    guarded("clean the state folder", layout.root, () => {
      reapDeadLeases(state);
      if (dropLost(state, state.durability) > 0) state.trash.sweep();
    });
    return assemble(state, {
      snapshotter: options.snapshotter ?? "auto",
      plainRoots: options.plainRoots,
      settleProgram,
    });
  } catch (error) {
    database.close();
    throw error;
  }
}

function makeFolder(layout: Layout): void {
  const isNew = !existsSync(layout.base);
  layout.create();
  if (isNew) rememberEmpty(layout);
}

/** Removes what dead processes were writing. Folders only move to the trash here. */
export function reapDeadLeases(state: StoreState): void {
  const { layout, trash, native, lease } = state;
  collectDeadLeases({
    layout,
    locks: native,
    own: lease,
    reap: (name) => {
      removeActiveOf(state, name);
      trash.discard(layout.leaseFolder(name));
    },
  });
  trash.sweep();
}

function assemble(
  state: StoreState,
  {
    settleProgram,
    ...views
  }: {
    readonly snapshotter: Snapshotter | "auto";
    readonly plainRoots: boolean | undefined;
    readonly settleProgram: (() => string) | undefined;
  },
): Store {
  const { layout, database, lease, trash, durability } = state;
  const blobs = new FileBlobStore(state);
  const temporaryFolder = () => lease.temporaryFolder();
  const discardFolder = (path: string) => {
    trash.discard(path);
    trash.start();
  };
  const snapshots: OverlaySnapshotStore = new OverlaySnapshotStore(state, (id) => chosen.forget(id));
  const cache = new SqliteCacheStorage(state, snapshots);
  const memo = new SqliteMemoStore(state);
  const chosen = new ChosenViews({ fs: nativeFs, snapshots, memo, temporaryFolder, discardFolder, ...views });
  const workLocks = new LockFile(layout, state.native);
  const timer = setTimeout(() => trash.start(), TRASH_DELAY_MS);
  timer.unref();
  const discard = (folder: string): void => trash.discard(folder);
  const endLease = (): void => {
    workLocks.close();
    lease.close(discard);
    trash.sweep();
  };
  const leave = async (): Promise<boolean> => {
    if (settleProgram === undefined) return false;
    state.scraps.leave();
    lease.dropFolder(discard);
    trash.sweep();
    if (!(await leaveRest(state, settleProgram()))) return false;
    endLease();
    return true;
  };
  const emptyTemporary = async (): Promise<void> => {
    await state.scraps.finish();
    lease.dropFolder(discard);
    trash.start();
  };
  const waitForRest = async (): Promise<void> => {
    // While the disk is waited for. Its failure counts, but not before what was built is on the disk.
    const emptying = emptyTemporary();
    emptying.catch(() => undefined);
    await durability.sync();
    await emptying;
    endLease();
    // Garbage that cannot be removed does not make a finished build fail; `prune` tells about it.
    await trash.finish(TRASH_BUDGET_MS).catch(() => undefined);
  };
  let closed = false;
  const store: Store = {
    root: layout.root,
    blobs,
    snapshots,
    views: chosen,
    images: new SqliteImageStore(state, blobs, snapshots),
    cache,
    locks: new FileWorkLocks(workLocks),
    memo,
    cacheMounts: new FolderCacheMountStore(state),
    history: new FolderHistoryStore(state),
    temporaryFolder,
    removeIfKilled: (path) => lease.leave(path),
    beginSync: () => durability.begin(),
    close: async () => {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      try {
        cache.flush();
        cache.flushUses();
        database.settle();
        chosen.close();
        snapshots.discardAll();
        if (!(await leave())) await waitForRest();
      } finally {
        await database.end();
      }
    },
  };
  rememberState(store, state);
  return store;
}
