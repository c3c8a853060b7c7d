import { withDescendants } from "./descendants.ts";
import { removeLayer } from "./snapshots.ts";
import type { StoreState } from "./state.ts";
import { removeRecord, trimTraces } from "./traces.ts";

/**
 * In a transaction: forgets snapshots with all that is made on them, their records, and the names of images that have them. For layers
 * whose files are lost: what leads to them must not be found again. `by` completes "evicted by" in explanations.
 */
export function dropSnapshots(state: StoreState, ids: readonly number[], by: string): void {
  const { database } = state;
  const gone = [...withDescendants(database, ids)];
  // Children first: a parent is always the older row.
  gone.sort((a, b) => b - a);
  for (const id of gone) {
    for (const record of recordsOf(state, id)) removeRecord(database, record, by);
    database.run("DELETE FROM images WHERE snapshot=? AND origin<>'pulled'", id);
    database.run(
      "DELETE FROM images WHERE origin<>'pulled' AND name IN (SELECT name FROM image_variants WHERE snapshot=?)",
      id,
    );
    database.run("UPDATE image_variants SET unpacked=0, snapshot=NULL WHERE snapshot=?", id);
    database.run("UPDATE images SET unpacked=0, snapshot=NULL WHERE snapshot=?", id);
    database.run("DELETE FROM snapshots WHERE id=?", id);
  }
  for (const table of ["image_indexes", "image_variants"])
    database.run(`DELETE FROM ${table} WHERE name NOT IN (SELECT name FROM images)`);
  trimTraces(database);
  const unused = database.all<{ id: number }>(
    "SELECT id FROM layers WHERE id NOT IN (SELECT layer FROM snapshots)",
  );
  for (const { id } of unused) removeLayer(state, id);
}

function recordsOf({ database }: StoreState, snapshot: number): number[] {
  return database
    .all<{ id: number }>("SELECT id FROM cache_records WHERE result=?", `snapshot:${snapshot}`)
    .map(({ id }) => id);
}

/** Snapshots that have this layer. */
export function snapshotsWith({ database }: StoreState, layer: number): number[] {
  return database.all<{ id: number }>("SELECT id FROM snapshots WHERE layer=?", layer).map(({ id }) => id);
}
