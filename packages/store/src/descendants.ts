import type { StateDatabase } from "./database.ts";

/** Snapshots (row ids) and all that are made on them. */
export function withDescendants(database: StateDatabase, ids: readonly number[]): Set<number> {
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
