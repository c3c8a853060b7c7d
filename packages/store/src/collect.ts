import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import type { ResultId } from "@tsbuild/solver";
import type { Store } from "./api.ts";
import { collectBlobs } from "./blob-roots.ts";
import { removeCacheMount } from "./cache-mounts.ts";
import { readKept } from "./history/kept.ts";
import { readHeld } from "./leases.ts";
import { reapDeadLeases } from "./open.ts";
import { snapshotOfResult } from "./refs.ts";
import { removeLayer, snapshotId } from "./snapshots.ts";
import { type StoreState, stateOf } from "./state.ts";
import { removeRecord, trimTraces } from "./traces.ts";

/** What a collection removed. */
export interface PruneReport {
  readonly records: number;
  readonly snapshots: number;
  readonly layers: number;
  readonly blobs: number;
  /** Of the removed blobs; layers are not measured. */
  readonly blobBytes: number;
  readonly cacheMounts: number;
}

interface SnapshotRow {
  readonly id: number;
  readonly parent: number | null;
  readonly layer: number;
  readonly lease: string | null;
  readonly whole: number | null;
}

/**
 * Removes what nothing keeps. Images, leases of living processes and cache records keep their snapshots (with all parents);
 * images keep their blobs, and a layer the blobs of its compressed forms. With `all`, records keep nothing: those whose result
 * no image or running build has go too, and unused cache mounts and remembered values. Safe while builds run.
 * Resolves when the disk space is free.
 */
export async function prune(store: Store, options: { readonly all: boolean }): Promise<PruneReport> {
  const state = stateOf(store);
  const { all } = options;
  reapDeadLeases(state);
  const report = state.database.transaction(() => {
    if (all) state.database.run("DELETE FROM memo");
    const spared = { keepsRecord: () => !all, keepsScratch: !all, keepsFailed: !all };
    return collect(state, { ...spared, by: "prune" });
  });
  state.trash.sweep();
  const cacheMounts = pruneCacheMounts(state, options.all);
  removeOldLocks(state);
  await state.trash.finish();
  return { ...report, cacheMounts };
}

/** What a collection spares beyond images and leases. */
export interface Spared {
  /** Records whose result is this snapshot (row id) keep it. */
  readonly keepsRecord: (snapshot: number) => boolean;
  /** Records of scratch, which keep nothing but themselves. */
  readonly keepsScratch: boolean;
  /** What entries of the history keep. */
  readonly keepsFailed: boolean;
  /** Snapshots that no record names, e.g. of a step that failed. */
  readonly alsoKept?: readonly number[] | undefined;
  /** What the traces of removed records name as the one who did it. */
  readonly by: string;
}

/** In a transaction. The folders are gone after the trash was swept and emptied. */
export function collect(state: StoreState, spared: Spared): Omit<PruneReport, "cacheMounts"> {
  const { database, layout } = state;
  const held = readHeld(layout);
  const rows = database.all<SnapshotRow>("SELECT id, parent, layer, lease, whole FROM snapshots");
  const alive = aliveSnapshots(rows, [
    ...held.snapshots,
    ...imageSnapshots(state),
    ...recordSnapshots(state).filter((id) => spared.keepsRecord(Number(id))),
    ...(spared.keepsFailed ? readKept(layout.history).flatMap(({ snapshots }) => snapshots) : []),
    ...(spared.alsoKept ?? []).map(String),
  ]);
  const records = removeRecords(state, alive, spared);
  const removed = removeSnapshots(state, rows, alive);
  if (records > 0) removeUselessKeys(state);
  return { records, ...removed, ...collectBlobs(state, held.blobs) };
}

/** Ids of `roots`, of active snapshots, of all below them, and of the whole ones of patches among these. */
function aliveSnapshots(rows: readonly SnapshotRow[], roots: readonly string[]): Set<number> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const alive = new Set<number>();
  const pending = rows.filter((row) => row.lease !== null).map((row) => row.id);
  pending.push(...roots.map(Number));
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const row = byId.get(id);
    if (row === undefined || alive.has(id)) continue;
    alive.add(id);
    pending.push(...[row.parent, row.whole].filter((other) => other !== null));
  }
  return alive;
}

function imageSnapshots(state: StoreState): SnapshotId[] {
  const rows = state.database.all<{ snapshot: number }>(
    `SELECT snapshot FROM images WHERE snapshot IS NOT NULL
     UNION SELECT snapshot FROM image_variants WHERE snapshot IS NOT NULL`,
  );
  return rows.map((row) => snapshotId(row.snapshot));
}

function recordSnapshots(state: StoreState): SnapshotId[] {
  const rows = state.database.all<{ result: string }>("SELECT DISTINCT result FROM cache_records");
  return rows.map((row) => snapshotOfResult(row.result as ResultId)).filter((id) => id != null);
}

/** Records whose result goes. What they were made of is remembered, so that the next miss can be explained. */
function removeRecords(state: StoreState, alive: ReadonlySet<number>, spared: Spared): number {
  const { database } = state;
  let count = 0;
  for (const row of database.all<{ id: number; result: string }>("SELECT id, result FROM cache_records")) {
    const snapshot = snapshotOfResult(row.result as ResultId);
    const stays = snapshot === null ? spared.keepsScratch : alive.has(Number(snapshot));
    if (stays) continue;
    removeRecord(database, row.id, spared.by);
    count += 1;
  }
  if (count > 0) trimTraces(database);
  return count;
}

function removeSnapshots(
  state: StoreState,
  rows: readonly SnapshotRow[],
  alive: ReadonlySet<number>,
): { readonly snapshots: number; readonly layers: number } {
  const dead = rows.filter((row) => !alive.has(row.id));
  // Children first: a parent is referred to by them, and is always the older row.
  dead.sort((a, b) => b.id - a.id);
  for (const row of dead) state.database.run("DELETE FROM snapshots WHERE id=?", row.id);
  const layers = state.database.all<{ id: number }>(
    "SELECT id FROM layers WHERE id NOT IN (SELECT layer FROM snapshots)",
  );
  for (const layer of layers) removeLayer(state, layer.id);
  return { snapshots: dead.length, layers: layers.length };
}

/**
 * Forgets the keys that have no record and lead to none, with the links from them. A link from a key that stays does stay
 * although it leads nowhere any more: the solver also says by a link that newer work took the place of a key's own records,
 * and these must not come back.
 */
function removeUselessKeys(state: StoreState): void {
  const { database } = state;
  const links = database.all<{ id: number; parent: number; child: number }>(
    "SELECT id, parent, child FROM cache_links",
  );
  const records = database.all<{ key: number }>("SELECT DISTINCT key FROM cache_records");
  const useful = ancestors(
    records.map((row) => row.key),
    Map.groupBy(links, (link) => link.child),
  );
  const named = new Set(useful);
  for (const link of links) {
    if (useful.has(link.parent)) named.add(link.child);
    else database.run("DELETE FROM cache_links WHERE id=?", link.id);
  }
  for (const { id } of database.all<{ id: number }>("SELECT id FROM cache_keys")) {
    if (!named.has(id)) database.run("DELETE FROM cache_keys WHERE id=?", id);
  }
}

/** `keys` and all that lead to them. */
function ancestors(
  keys: readonly number[],
  linksTo: ReadonlyMap<number, readonly { readonly parent: number }[]>,
): Set<number> {
  const found = new Set<number>();
  const pending = [...keys];
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    if (found.has(key)) continue;
    found.add(key);
    for (const link of linksTo.get(key) ?? []) pending.push(link.parent);
  }
  return found;
}

function pruneCacheMounts(state: StoreState, all: boolean): number {
  const rows = state.database.all<{ id: number }>(
    all ? "SELECT id FROM cache_mounts" : "SELECT id FROM cache_mounts WHERE retired",
  );
  const removed = rows.filter((row) => removeCacheMount(state, row.id)).length;
  removeStrayMounts(state);
  return removed;
}

/**
 * Lock files and folders of cache mounts that are no more: a killed process left them. In a transaction, as those who make a cache mount
 * lock it, and those who import one put it into place, in theirs.
 */
export function removeStrayMounts({ layout, database, trash }: StoreState): void {
  database.transaction(() => {
    for (const name of readdirSync(layout.cacheMounts)) {
      const id = /^(\d+)(?:\.lock|\.seed)?$/.exec(name)?.[1];
      if (id === undefined || database.get("SELECT 1 FROM cache_mounts WHERE id=?", Number(id))) continue;
      const path = join(layout.cacheMounts, name);
      if (name === id) trash.discard(path);
      else rmSync(path, { force: true });
    }
  });
}

/** What an earlier version locked: a file a step. */
export function removeOldLocks({ layout }: StoreState): void {
  rmSync(layout.oldLocks, { recursive: true, force: true });
}
