import type { StateDatabase } from "./database.ts";

/** Traces of removed records: enough for the steps of some hundred builds. */
const MAX_TRACES = 2000;

const TRACE = `
INSERT INTO evicted(description, key, result, created_at, duration_ms, fields, evicted_at, evicted_by)
SELECT r.description, k.name, r.result, r.created_at, r.duration_ms, r.fields, ?, ?
FROM cache_records r JOIN cache_keys k ON k.id = r.key WHERE r.id=?`;

/** In a transaction: removes a record. What it was made of is remembered, so that the next miss can be explained; `by` completes "evicted by". */
export function removeRecord(database: StateDatabase, id: number, by: string): void {
  database.run(TRACE, Date.now(), by, id);
  database.run("DELETE FROM cache_records WHERE id=?", id);
}

/** In a transaction, after removals: forgets the oldest traces. */
export function trimTraces(database: StateDatabase): void {
  database.run(`DELETE FROM evicted WHERE id <= (SELECT max(id) FROM evicted) - ${MAX_TRACES}`);
}
