import { removeLayer } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

/**
 * In a transaction: forgets snapshots with all that is made on them, their records, and the names of images that have them. For layers
 * whose files are lost: what leads to them must not be found again.
 */
export function dropSnapshots(state: StoreState, ids: readonly number[]): void {
  const { database } = state;
  const gone = [...withDescendants(state, ids)];
  // Children first: a parent is always the older row.
  gone.sort((a, b) => b - a);
  for (const id of gone) {
    database.run("DELETE FROM cache_records WHERE result=?", `snapshot:${id}`);
    database.run("DELETE FROM images WHERE snapshot=? AND origin<>'pulled'", id);
    database.run("UPDATE images SET unpacked=0, snapshot=NULL WHERE snapshot=?", id);
    database.run("DELETE FROM snapshots WHERE id=?", id);
  }
  const unused = database.all<{ id: number }>(
    "SELECT id FROM layers WHERE id NOT IN (SELECT layer FROM snapshots)",
  );
  for (const { id } of unused) removeLayer(state, id);
}

function withDescendants({ database }: StoreState, ids: readonly number[]): Set<number> {
  const found = new Set<number>();
  const pending = [...ids];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    for (const child of database.all<{ id: number }>("SELECT id FROM snapshots WHERE parent=?", id)) {
      pending.push(child.id);
    }
  }
  return found;
}

/** Snapshots that have this layer. */
export function snapshotsWith({ database }: StoreState, layer: number): number[] {
  return database.all<{ id: number }>("SELECT id FROM snapshots WHERE layer=?", layer).map(({ id }) => id);
}
