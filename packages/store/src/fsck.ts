import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ResultId } from "@tsbuild/solver";
import type { Store } from "./api.ts";
import { removeCacheMount } from "./cache-mounts.ts";
import { removeStrayMounts } from "./collect.ts";
import { dropSnapshots, snapshotsWith } from "./drop.ts";
import { snapshotOfResult } from "./refs.ts";
import { removeLayer } from "./snapshots.ts";
import { type StoreState, stateOf } from "./state.ts";

/** Something in the state folder that is not as it must be. */
export interface StoreProblem {
  readonly kind:
    | "database"
    | "layer"
    | "snapshot"
    | "blob"
    | "image"
    | "record"
    | "cache-mount"
    | "lease"
    | "mount";
  /** Row id, file name or image name. */
  readonly subject: string;
  readonly message: string;
}

/** `mend` makes the problem go, in a transaction; without one it can only be told. */
type Report = (
  kind: StoreProblem["kind"],
  subject: string | number,
  message: string,
  mend?: (state: StoreState) => void,
) => void;

interface Found extends StoreProblem {
  readonly mend: ((state: StoreState) => void) | undefined;
}

export interface FsckReport {
  /** `repaired`: it is gone, with what could not be without it. */
  readonly problems: readonly (StoreProblem & { readonly repaired: boolean })[];
  readonly checked: { readonly snapshots: number; readonly blobs: number; readonly records: number };
}

/** A repair may bring another problem to light, e.g. an image whose blob was damaged. */
const MAX_ROUNDS = 5;

/**
 * Compares rows with folders and, with `deep`, blobs with their digests (reads every blob). With `repair` what is damaged or lost is
 * removed with all that needs it, so that builds make it anew. For a folder on which nobody builds: what a process is just making may
 * look like a problem; collections wait.
 */
export async function fsckStore(
  store: Store,
  options: { readonly deep: boolean; readonly repair: boolean },
): Promise<FsckReport> {
  const state = stateOf(store);
  const lock = state.native.tryLock(state.layout.gcLock, "exclusive");
  try {
    const all: (StoreProblem & { repaired: boolean })[] = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const found = await findProblems(state, options.deep);
      if (options.repair) mendAll(state, found);
      for (const { mend, ...problem } of found) {
        const known = all.some(
          (one) =>
            one.kind === problem.kind && one.subject === problem.subject && one.message === problem.message,
        );
        if (!known) all.push({ ...problem, repaired: options.repair && mend !== undefined });
      }
      if (!options.repair || !found.some(({ mend }) => mend !== undefined)) break;
    }
    if (options.repair) await state.trash.finish();
    return { problems: all, checked: countChecked(state) };
  } finally {
    if (lock !== undefined) state.native.close(lock);
  }
}

function mendAll(state: StoreState, found: readonly Found[]): void {
  state.database.transaction(() => {
    for (const { mend } of found) mend?.(state);
  });
  state.trash.sweep();
}

function countChecked({ database, layout }: StoreState): FsckReport["checked"] {
  const count = (table: string): number =>
    database.get<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)?.count ?? 0;
  return {
    snapshots: count("snapshots"),
    blobs: readdirSync(layout.blobs).length,
    records: count("cache_records"),
  };
}

/** All problems, blobs read. Changes nothing. */
export async function fsck(store: Store): Promise<readonly StoreProblem[]> {
  const found = await findProblems(stateOf(store), true);
  return found.map(({ kind, subject, message }) => ({ kind, subject, message }));
}

async function findProblems(state: StoreState, deep: boolean): Promise<Found[]> {
  const problems: Found[] = [];
  const report: Report = (kind, subject, message, mend) =>
    problems.push({ kind, subject: String(subject), message, mend });
  checkDatabase(state, report);
  checkLayers(state, report);
  checkSnapshots(state, report);
  checkImages(state, report);
  checkRecords(state, report);
  checkCacheMounts(state, report);
  checkLeases(state, report);
  checkMounts(state, report);
  await checkBlobs(state, report, deep);
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
    if (row.users === 0) report("layer", row.id, "no snapshot has it", (state) => removeLayer(state, row.id));
    if (row.committed > 0 && !isFolder(layout.layerFolder(row.id)))
      report("layer", row.id, "its folder is missing", (state) =>
        dropSnapshots(state, snapshotsWith(state, row.id), "fsck"),
      );
    const work = join(layout.layer(row.id), "work");
    if (row.committed > 0 && existsSync(work))
      report("layer", row.id, "committed, but its work folder is there", ({ trash }) => trash.discard(work));
  }
  const hasRow = (name: string): boolean =>
    /^\d+$/.test(name) && database.get("SELECT 1 FROM layers WHERE id=?", Number(name)) !== undefined;
  for (const name of readdirSync(layout.snapshots)) {
    // Rows come before folders: asked again, for a step may have begun since.
    if (known.has(name) || hasRow(name)) continue;
    report("layer", name, "a folder without a row", ({ trash }) => {
      if (!hasRow(name)) trash.discard(join(layout.snapshots, name));
    });
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
    if (row.depth !== (row.parent_depth ?? -1) + 1)
      report("snapshot", row.id, `wrong depth ${row.depth}`, (state) =>
        dropSnapshots(state, [row.id], "fsck"),
      );
    if (row.parent_lease !== null)
      report("snapshot", row.id, "its parent is not committed", (state) =>
        dropSnapshots(state, [row.id], "fsck"),
      );
  }
}

function checkImages({ database, layout }: StoreState, report: Report): void {
  const rows = database.all<{ name: string; manifest: string; config: string }>(
    `SELECT name, manifest, config FROM images UNION SELECT name, manifest, config FROM image_variants
     UNION SELECT name, digest, digest FROM image_indexes`,
  );
  for (const row of rows) {
    for (const digest of [row.manifest, row.config]) {
      if (!existsSync(join(layout.blobs, digest.slice("sha256:".length)))) {
        report("image", row.name, `the blob ${digest} is missing`, (state) => {
          for (const table of ["images", "image_indexes", "image_variants"])
            state.database.run(`DELETE FROM ${table} WHERE name=?`, row.name);
        });
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
    if (row === undefined)
      report("record", id, `its result ${result} is missing`, (state) =>
        state.database.run("DELETE FROM cache_records WHERE id=?", id),
      );
  }
}

function checkCacheMounts({ database, layout }: StoreState, report: Report): void {
  const rows = database.all<{ id: number; seeded: number }>("SELECT id, seeded FROM cache_mounts");
  const known = new Set(rows.map((row) => String(row.id)));
  for (const row of rows) {
    const folder = join(layout.cacheMounts, String(row.id), "fs");
    if (row.seeded === 1 && !isFolder(folder))
      report("cache-mount", row.id, "its folder is missing", (state) => removeCacheMount(state, row.id));
  }
  for (const name of readdirSync(layout.cacheMounts)) {
    if (name.includes(".") || known.has(name)) continue;
    if (database.get("SELECT 1 FROM cache_mounts WHERE id=?", Number(name)) !== undefined) continue;
    report("cache-mount", name, "a folder without a row", removeStrayMounts);
  }
}

/** Active snapshots and files of leases that nobody holds: `openStore` should have collected them. */
function checkLeases({ database, layout, native, lease }: StoreState, report: Report): void {
  const names = new Set(
    database
      .all<{ lease: string }>("SELECT DISTINCT lease FROM snapshots WHERE lease IS NOT NULL")
      .map((row) => row.lease),
  );
  for (const file of readdirSync(layout.leases)) names.add(file.replace(/\.(lock|held|left)$/, ""));
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

/** Mount points in the state folder: steps mount in namespaces of their own, so that there are none in this one. */
function checkMounts({ layout }: StoreState, report: Report): void {
  const root = existsSync(layout.base) ? realpathSync(layout.base) : layout.base;
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    // proc_pid_mountinfo(5): the fifth field is the mount point, blanks in it as \040.
    const place = line
      .split(" ")[4]
      ?.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (place?.startsWith(`${root}/`)) report("mount", place, `still mounted; umount ${place}`);
  }
}

async function checkBlobs({ layout }: StoreState, report: Report, deep: boolean): Promise<void> {
  for (const name of readdirSync(layout.blobs)) {
    const file = join(layout.blobs, name);
    const discard = ({ trash }: StoreState): void => trash.discard(file);
    if (!/^[0-9a-f]{64}$/.test(name)) report("blob", name, "not named by a digest", discard);
    else if (deep) {
      const got = await digestOf(file);
      if (got !== name) report("blob", name, `its content has the digest ${got}`, discard);
    }
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
