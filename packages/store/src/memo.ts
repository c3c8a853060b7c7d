import type { MemoStore } from "./api.ts";
import type { StoreState } from "./state.ts";

/** Per kind, newest first. Compiled graphs are the biggest: some 100 KB each. */
const MAX_VALUES = 2000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Old values are dropped once in so many writes: finding them reads the index of the kind. */
const WRITES_PER_TRIM = 64;

const PUT = `
INSERT INTO memo(kind, key, seq, value)
VALUES(?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM memo WHERE kind=?), ?)
ON CONFLICT(kind, key) DO UPDATE SET seq=excluded.seq, value=excluded.value`;

/** Remembered values, bounded in number and bytes per kind: those written first are dropped first. */
export class SqliteMemoStore implements MemoStore {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  get(kind: string, key: string): Uint8Array | undefined {
    const row = this.#state.database.get<{ value: Uint8Array }>(
      "SELECT value FROM memo WHERE kind=? AND key=?",
      kind,
      key,
    );
    return row?.value;
  }

  set(kind: string, key: string, value: Uint8Array): void {
    const known = this.get(kind, key);
    // Equal values are not written again, so that a build without changes leaves the database alone.
    if (known !== undefined && Buffer.compare(known, value) === 0) return;
    const { database } = this.#state;
    database.transaction(() => {
      database.run(PUT, kind, key, kind, value);
      const { seq } = database.get<{ seq: number }>("SELECT max(seq) AS seq FROM memo WHERE kind=?", kind)!;
      if (seq % WRITES_PER_TRIM === 0) this.#trim(kind);
    });
  }

  #trim(kind: string): void {
    const { database } = this.#state;
    const rows = database.all<{ seq: number; bytes: number }>(
      "SELECT seq, length(value) AS bytes FROM memo WHERE kind=? ORDER BY seq DESC",
      kind,
    );
    let bytes = 0;
    const last = rows.findIndex((row, index) => {
      bytes += row.bytes;
      return index >= MAX_VALUES || (index > 0 && bytes > MAX_BYTES);
    });
    if (last >= 0) database.run("DELETE FROM memo WHERE kind=? AND seq<=?", kind, rows[last]!.seq);
  }
}
