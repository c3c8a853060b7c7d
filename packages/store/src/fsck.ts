import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ResultId } from "@tsbuild/solver";
import type { Store } from "./api.ts";
import { snapshotOfResult } from "./refs.ts";
import { type StoreState, stateOf } from "./state.ts";

/** Something in the state folder that is not as it must be. */
export interface StoreProblem {
  readonly kind: "database" | "layer" | "snapshot" | "blob" | "image" | "record" | "cache-mount" | "lease";
  /** Row id, file name or image name. */
  readonly subject: string;
  readonly message: string;
}

type Report = (kind: StoreProblem["kind"], subject: string | number, message: string) => void;

/**
 * Compares rows with folders and blobs with their digests (reads every blob). Meant for a folder on which nobody works: what
 * another process is just making may look like a problem. Changes nothing.
 */
export async function fsck(store: Store): Promise<readonly StoreProblem[]> {
  const state = stateOf(store);
  const problems: StoreProblem[] = [];
  const report: Report = (kind, subject, message) =>
    problems.push({ kind, subject: String(subject), message });
  checkDatabase(state, report);
  checkLayers(state, report);
  checkSnapshots(state, report);
  checkImages(state, report);
  checkRecords(state, report);
  checkCacheMounts(state, report);
  checkLeases(state, report);
  await checkBlobs(state, report);
  return problems;
}

function checkDatabase({ database }: StoreState, report: Report): void {
  for (const row of database.all<{ quick_check: string }>("PRAGMA quick_check")) {
    if (row.quick_check !== "ok") report("database", "state.db", row.quick_check);
  }
  for (const row of database.all<{ table: string; rowid: number }>("PRAGMA foreign_key_check")) {
    report("database", `${row.table} ${row.rowid}`, "refers to a row that is not there");
  }
}

function checkLayers({ database, layout }: StoreState, report: Report): void {
  const rows = database.all<{ id: number; committed: number; users: number }>(
    `SELECT l.id, count(s.id) AS users, count(s.id) FILTER (WHERE s.lease IS NULL) AS committed
     FROM layers l LEFT JOIN snapshots s ON s.layer = l.id GROUP BY l.id`,
  );
  const known = new Set(rows.map((row) => String(row.id)));
  for (const row of rows) {
    if (row.users === 0) report("layer", row.id, "no snapshot has it");
    if (row.committed > 0 && !isFolder(layout.layerFolder(row.id)))
      report("layer", row.id, "its folder is missing");
    if (row.committed > 0 && existsSync(join(layout.layer(row.id), "work"))) {
      report("layer", row.id, "committed, but its work folder is there");
    }
  }
  for (const name of readdirSync(layout.snapshots)) {
    if (!known.has(name)) report("layer", name, "a folder without a row");
  }
}

function checkSnapshots({ database }: StoreState, report: Report): void {
  const rows = database.all<{
    id: number;
    depth: number;
    parent_depth: number | null;
    parent_lease: string | null;
  }>(
    `SELECT s.id, s.depth, p.depth AS parent_depth, p.lease AS parent_lease
     FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent`,
  );
  for (const row of rows) {
    if (row.depth !== (row.parent_depth ?? -1) + 1) report("snapshot", row.id, `wrong depth ${row.depth}`);
    if (row.parent_lease !== null) report("snapshot", row.id, "its parent is not committed");
  }
}

function checkImages({ database, layout }: StoreState, report: Report): void {
  const rows = database.all<{ name: string; manifest: string; config: string }>(
    "SELECT name, manifest, config FROM images",
  );
  for (const row of rows) {
    for (const digest of [row.manifest, row.config]) {
      if (!existsSync(join(layout.blobs, digest.slice("sha256:".length)))) {
        report("image", row.name, `the blob ${digest} is missing`);
      }
    }
  }
}

function checkRecords({ database }: StoreState, report: Report): void {
  for (const { id, result } of database.all<{ id: number; result: string }>(
    "SELECT id, result FROM cache_records",
  )) {
    const snapshot = snapshotOfResult(result as ResultId);
    if (snapshot === null) continue;
    const row =
      snapshot === undefined
        ? undefined
        : database.get("SELECT 1 FROM snapshots WHERE id=? AND lease IS NULL", snapshot);
    if (row === undefined) report("record", id, `its result ${result} is missing`);
  }
}

function checkCacheMounts({ database, layout }: StoreState, report: Report): void {
  const rows = database.all<{ id: number; seeded: number }>("SELECT id, seeded FROM cache_mounts");
  const known = new Set(rows.map((row) => String(row.id)));
  for (const row of rows) {
    const folder = join(layout.cacheMounts, String(row.id), "fs");
    if (row.seeded === 1 && !isFolder(folder)) report("cache-mount", row.id, "its folder is missing");
  }
  for (const name of readdirSync(layout.cacheMounts)) {
    if (!name.includes(".") && !known.has(name)) report("cache-mount", name, "a folder without a row");
  }
}

/** Active snapshots and files of leases that nobody holds: `openStore` should have collected them. */
function checkLeases({ database, layout, native, lease }: StoreState, report: Report): void {
  const names = new Set(
    database
      .all<{ lease: string }>("SELECT DISTINCT lease FROM snapshots WHERE lease IS NOT NULL")
      .map((row) => row.lease),
  );
  for (const file of readdirSync(layout.leases)) names.add(file.replace(/\.(lock|held)$/, ""));
  for (const name of names) {
    if (lease.is(name)) continue;
    if (!existsSync(layout.leaseLock(name))) {
      report("lease", name, "has no lock file");
      continue;
    }
    const lock = native.tryLock(layout.leaseLock(name), "shared");
    if (lock === undefined) continue;
    native.close(lock);
    report("lease", name, "its process is dead");
  }
}

async function checkBlobs({ layout }: StoreState, report: Report): Promise<void> {
  for (const name of readdirSync(layout.blobs)) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(join(layout.blobs, name)), hash);
    const got = hash.digest("hex");
    if (got !== name) report("blob", name, `its content has the digest ${got}`);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
