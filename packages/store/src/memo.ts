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

/** More of them, and larger ones, are written at once. */
const MAX_PENDING = 32;
const MAX_PENDING_BYTES = 4096;

interface Value {
  readonly kind: string;
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * Remembered values, bounded in number and bytes per kind: those written first are dropped first. Each COPY leaves one, which is not worth a
 * transaction of its own: they are written with the next that there is.
 */
export class SqliteMemoStore implements MemoStore {
  readonly #state: StoreState;
  readonly #pending = new Map<string, Value>();

  constructor(state: StoreState) {
    this.#state = state;
  }

  get(kind: string, key: string): Uint8Array | undefined {
    const pending = this.#pending.get(nameOf(kind, key));
    if (pending !== undefined) return pending.value;
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
    if (this.#pending.size === 0) this.#state.database.defer(this.#writing);
    this.#pending.set(nameOf(kind, key), { kind, key, value: Uint8Array.from(value) });
    if (this.#pending.size >= MAX_PENDING || value.length > MAX_PENDING_BYTES) this.#state.database.settle();
  }

  readonly #writing = {
    write: (): void => {
      for (const value of this.#pending.values()) this.#put(value);
    },
    end: (): void => this.#pending.clear(),
  };

  #put({ kind, key, value }: Value): void {
    const { database } = this.#state;
    database.run(PUT, kind, key, kind, value);
    const { seq } = database.get<{ seq: number }>("SELECT max(seq) AS seq FROM memo WHERE kind=?", kind)!;
    if (seq % WRITES_PER_TRIM === 0) this.#trim(kind);
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

function nameOf(kind: string, key: string): string {
  return `${kind}\0${key}`;
}
