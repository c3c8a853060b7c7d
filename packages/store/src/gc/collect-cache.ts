import { statSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../api.ts";
import { removeCacheMount } from "../cache-mounts.ts";
import { collect, removeOldLocks, removeStrayMounts } from "../collect.ts";
import { FolderHistoryStore } from "../history/folder.ts";
import { LockFile } from "../locks.ts";
import { reapDeadLeases } from "../open.ts";
import { type StoreState, stateOf } from "../state.ts";
import { readHolders } from "../usage/holders.ts";
import { measuredBytes } from "../usage/measure.ts";
import type { UsageRecord } from "../usage/types.ts";
import { KEPT_BUILDS, takeStock } from "../usage/usage.ts";
import { poll } from "../waiting.ts";
import { type Choice, choose, type Limits, type Victim } from "./choose.ts";
import { freeBytes, rememberLook } from "./look.ts";

/** What a build waits for the removal of what its collection found; the next builds go on. */
const GC_TRASH_BUDGET_MS = 1000;

export interface CollectRequest {
  readonly limits: Limits;
  readonly everything: boolean;
  /** What the last builds of projects need goes too. */
  readonly all: boolean;
  /** Builds of each project that are spared without `all`. */
  readonly keptBuilds?: number | undefined;
  readonly matches?: ((record: UsageRecord) => boolean) | undefined;
  /** Nothing is removed. */
  readonly dryRun: boolean;
  /** `gc` or `prune`: what later misses name. */
  readonly by: string;
  /** Waits for a collection that runs; without it, gives way to that one. */
  readonly wait: AbortSignal | undefined;
}

export interface CollectReport {
  readonly removed: readonly Victim[];
  readonly removedBytes: number;
  /** What is left. */
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** The limits could not be reached: what is left is kept. */
  readonly heldBytes: number;
}

/**
 * Removes what was chosen, as far as nobody has come to need it since. Safe while builds run, at any number of processes: rows go in one
 * transaction that reads all leases anew, folders by rename after it, the rest under the lock of each. A kill in between leaves a store
 * from which the next collection goes on. Undefined when another collection runs and `wait` is not given.
 */
export async function collectCache(
  store: Store,
  request: CollectRequest,
): Promise<CollectReport | undefined> {
  const state = stateOf(store);
  const lock = await lockCollection(state, request.wait);
  if (lock === undefined) return undefined;
  try {
    reapDeadLeases(state);
    const records = await takeStock(state, request.keptBuilds ?? KEPT_BUILDS);
    const victims = choose(records, choiceOf(state, request));
    const removed = request.dryRun ? victims : await remove(state, victims, request);
    if (!request.dryRun) await state.trash.finish(request.by === "gc" ? GC_TRASH_BUDGET_MS : undefined);
    const result = report(state, records, removed);
    if (!request.dryRun) {
      const { usedBytes, freeBytes: left } = result;
      const at = Date.now();
      const layerBytes = measuredBytes(state);
      rememberLook(state.layout, {
        at,
        measuredAt: at,
        lookBytes: usedBytes,
        usedBytes,
        layerBytes,
        freeBytes: left,
      });
    }
    return result;
  } finally {
    state.native.close(lock);
  }
}

async function lockCollection(state: StoreState, wait: AbortSignal | undefined): Promise<number | undefined> {
  const attempt = (): number | undefined => state.native.tryLock(state.layout.gcLock, "exclusive");
  return wait === undefined ? attempt() : poll(attempt, wait);
}

function choiceOf(state: StoreState, request: CollectRequest): Choice {
  const { limits, everything, all, matches = () => true } = request;
  return { limits, everything, builds: all, matches, now: Date.now(), freeBytes: freeBytes(state.layout) };
}

function report(
  state: StoreState,
  before: readonly UsageRecord[],
  removed: readonly Victim[],
): CollectReport {
  const sum = (list: readonly UsageRecord[]): number => list.reduce((total, one) => total + one.sizeBytes, 0);
  const removedBytes = sum(removed.map(({ record }) => record));
  const gone = new Set(removed.map(({ record }) => record.id));
  const usedBytes = sum(before) - removedBytes;
  return {
    removed,
    removedBytes,
    usedBytes,
    freeBytes: freeBytes(state.layout),
    heldBytes: sum(before.filter((record) => !gone.has(record.id) && record.heldBy.length > 0)),
  };
}

async function remove(
  state: StoreState,
  victims: readonly Victim[],
  request: CollectRequest,
): Promise<readonly Victim[]> {
  removeFromDatabase(state, victims, request);
  state.trash.sweep();
  for (const { record } of victims) removeOther(state, record);
  removeStrayMounts(state);
  removeOldLocks(state);
  return victims.filter(({ record }) => !isThere(state, record));
}

/** Snapshots with their records, and blobs. */
function removeFromDatabase(state: StoreState, victims: readonly Victim[], request: CollectRequest): void {
  const { database } = state;
  const snapshots = new Set(victims.flatMap(({ record }) => numberOf(record, "snapshot") ?? []));
  const blobs = victims.flatMap(({ record }) =>
    record.type === "blob" ? [record.id.slice("blob:".length)] : [],
  );
  database.transaction(() => {
    // Of what was chosen some may have become part of a build or of what a build needs.
    // What later builds are explained by stays, as the traces do.
    if (request.all && request.everything) database.run("DELETE FROM memo WHERE kind<>'build-steps'");
    if (!request.all) {
      const { snapshots: needed } = readHolders(state, request.keptBuilds ?? KEPT_BUILDS);
      for (const id of needed.keys()) snapshots.delete(id);
    }
    for (const blob of blobs) database.run("DELETE FROM compressed WHERE blob=?", blob);
    collect(state, {
      keepsRecord: (id) => !snapshots.has(id),
      keepsScratch: true,
      keepsFailed: !request.all,
      alsoKept: unnamed(state, snapshots),
      by: request.by,
    });
    forgetMemos(state);
  });
}

/** Snapshots on which nothing is made and that are not to go, whether or not a record names them. */
function unnamed({ database }: StoreState, going: ReadonlySet<number>): number[] {
  const rows = database.all<{ id: number }>(
    "SELECT id FROM snapshots WHERE lease IS NULL AND id NOT IN (SELECT parent FROM snapshots WHERE parent IS NOT NULL)",
  );
  return rows.map(({ id }) => id).filter((id) => !going.has(id));
}

/** Remembered values of snapshots and layers that are no more: their numbers never come again. */
function forgetMemos({ database }: StoreState): void {
  database.run(
    `DELETE FROM memo WHERE kind IN ('git-tree', 'context-snapshot')
     AND CAST(CAST(value AS TEXT) AS INTEGER) NOT IN (SELECT id FROM snapshots)`,
  );
  database.run(
    "DELETE FROM memo WHERE kind='layer-tree' AND CAST(key AS INTEGER) NOT IN (SELECT id FROM layers)",
  );
}

function removeOther(state: StoreState, record: UsageRecord): void {
  const { layout, trash } = state;
  const mount = numberOf(record, "mount");
  if (mount !== undefined) removeCacheMount(state, mount);
  else if (record.id.startsWith("context:")) trash.discard(join(layout.contexts, nameOf(record)));
  else if (record.id.startsWith("history:")) new FolderHistoryStore(state).remove(nameOf(record));
  else if (record.id.startsWith("git:")) removeRepository(state, join(layout.git, nameOf(record)));
}

/** Under the lock that builds take for the repository; see the git provider. */
function removeRepository({ layout, native, trash }: StoreState, folder: string): void {
  // A file of its own: what this process has locked is not kept from itself.
  const locks = new LockFile(layout, native);
  try {
    if (locks.tryLock(`git ${folder}`)) trash.discard(folder);
  } finally {
    locks.close();
  }
}

function isThere(state: StoreState, record: UsageRecord): boolean {
  const { layout, database } = state;
  const snapshot = numberOf(record, "snapshot");
  if (snapshot !== undefined)
    return database.get("SELECT 1 FROM snapshots WHERE id=?", snapshot) !== undefined;
  const mount = numberOf(record, "mount");
  if (mount !== undefined) return database.get("SELECT 1 FROM cache_mounts WHERE id=?", mount) !== undefined;
  const folders: Readonly<Record<string, string>> = { context: layout.contexts, git: layout.git };
  if (record.type === "blob") return statSync(join(layout.blobs, record.id.slice(12)), QUIET) !== undefined;
  const folder = folders[record.id.split(":", 1)[0] ?? ""];
  return folder !== undefined && statSync(join(folder, nameOf(record)), QUIET) !== undefined;
}

const QUIET = { throwIfNoEntry: false } as const;

function nameOf({ id }: UsageRecord): string {
  return id.slice(id.indexOf(":") + 1);
}

function numberOf({ id }: UsageRecord, kind: string): number | undefined {
  return id.startsWith(`${kind}:`) ? Number(id.slice(kind.length + 1)) : undefined;
}
