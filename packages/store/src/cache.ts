import type {
  CacheKeyId,
  CacheLink,
  CacheRecord,
  CacheStorage,
  KeyField,
  Ref,
  ResultId,
} from "@tsbuild/solver";
import type { RecordStorage } from "./api.ts";
import { refForHold, snapshotOfResult } from "./refs.ts";
import type { OverlaySnapshotStore } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

/** Times of use are kept this coarse, so that a build that finds everything in the cache seldom writes. */
const USE_GRAIN_MS = 60 * 60 * 1000;

const LINKED = `
SELECT child.name FROM cache_links l
  JOIN cache_keys parent ON parent.id = l.parent
  JOIN cache_keys child ON child.id = l.child
WHERE parent.name=? AND l.op=? AND l.output=? AND l.input=? AND l.selector=?
ORDER BY l.id`;

const LINKS_TO = `
SELECT parent.name AS parent, l.op, l.output, l.input, l.selector FROM cache_links l
  JOIN cache_keys parent ON parent.id = l.parent
  JOIN cache_keys child ON child.id = l.child
WHERE child.name=? ORDER BY l.id DESC`;

const RECORD_COLUMNS =
  "k.name AS key, r.id, r.result, r.created_at, r.last_used_at, r.description, r.fields, r.duration_ms";

const RECORDS = `
SELECT ${RECORD_COLUMNS} FROM cache_records r JOIN cache_keys k ON k.id = r.key
WHERE k.name=? ORDER BY r.created_at DESC, r.id DESC`;

const NEWEST_LIKE = `
SELECT ${RECORD_COLUMNS} FROM cache_records r JOIN cache_keys k ON k.id = r.key
WHERE r.description=? ORDER BY r.created_at DESC, r.id DESC LIMIT 1`;

const NEWEST_EVICTED = "SELECT * FROM evicted WHERE description=? ORDER BY created_at DESC, id DESC LIMIT 1";

interface RecordRow {
  readonly key: string;
  readonly id: number;
  readonly result: string;
  readonly created_at: number;
  readonly last_used_at: number;
  readonly description: string;
  readonly fields: string;
  readonly duration_ms: number;
}

/** The solver's keys, links and records. Row ids stand for keys; their names are stored once. */
export class SqliteCacheStorage implements RecordStorage {
  readonly #state: StoreState;
  readonly #snapshots: OverlaySnapshotStore;
  /** Rows of the records handed out, for `load`. */
  readonly #rows = new WeakMap<CacheRecord, RecordRow>();
  readonly #used = new Set<number>();

  constructor(state: StoreState, snapshots: OverlaySnapshotStore) {
    this.#state = state;
    this.#snapshots = snapshots;
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    const rows = this.#state.database.all<{ name: string }>(
      LINKED,
      parent,
      link.op,
      link.output,
      link.input,
      link.selector,
    );
    return rows.map((row) => row.name as CacheKeyId);
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    const rows = this.#state.database.all<RecordRow>(RECORDS, key);
    for (const { result } of rows) this.#state.needs.note(result);
    return rows.map((row) => this.#record(row));
  }

  keysOf(result: ResultId, atMost = -1): readonly CacheKeyId[] {
    const rows = this.#state.database.all<{ name: string }>(
      "SELECT k.name FROM cache_records r JOIN cache_keys k ON k.id = r.key WHERE r.result=? ORDER BY r.id LIMIT ?",
      result,
      atMost,
    );
    return rows.map((row) => row.name as CacheKeyId);
  }

  save(entry: Parameters<CacheStorage["save"]>[0]): void {
    this.#state.database.transaction(() => {
      for (const { parent, link, child } of entry.links) this.#saveLink(parent, link, child);
      for (const record of entry.records) this.#saveRecord(record);
    });
  }

  linksTo(child: CacheKeyId): readonly { readonly parent: CacheKeyId; readonly link: CacheLink }[] {
    const rows = this.#state.database.all<{ parent: string } & CacheLink>(LINKS_TO, child);
    return rows.map(({ parent, op, output, input, selector }) => ({
      parent: parent as CacheKeyId,
      link: { op, output, input, selector },
    }));
  }

  newestLike(description: string): CacheRecord | undefined {
    const row = this.#state.database.get<RecordRow>(NEWEST_LIKE, description);
    const gone = this.#state.database.get<EvictedRow>(NEWEST_EVICTED, description);
    if (gone !== undefined && (row === undefined || gone.created_at > row.created_at))
      return evictedRecord(gone);
    return row === undefined ? undefined : this.#record(row);
  }

  trace(key: CacheKeyId): CacheRecord | undefined {
    const row = this.#state.database.get<EvictedRow>(
      "SELECT * FROM evicted WHERE key=? ORDER BY id DESC LIMIT 1",
      key,
    );
    return row === undefined ? undefined : evictedRecord(row);
  }

  load(record: CacheRecord): Ref | undefined {
    const snapshot = snapshotOfResult(record.result);
    if (snapshot === undefined) return undefined;
    const hold = snapshot === null ? undefined : this.#snapshots.holdIfThere(snapshot);
    if (snapshot !== null && hold === undefined) return undefined;
    this.#markUsed(record);
    return refForHold(snapshot, hold);
  }

  /** Writes down which records were used; at closing, in one transaction, and only when there is news. */
  flushUses(): void {
    if (this.#used.size === 0) return;
    const now = Date.now();
    this.#state.database.transaction(() => {
      for (const id of this.#used) {
        this.#state.database.run("UPDATE cache_records SET last_used_at=?, uses=uses+1 WHERE id=?", now, id);
      }
    });
    this.#used.clear();
  }

  #markUsed(record: CacheRecord): void {
    const row = this.#rows.get(record);
    if (row !== undefined && row.last_used_at < Date.now() - USE_GRAIN_MS) this.#used.add(row.id);
  }

  #record(row: RecordRow): CacheRecord {
    const record: CacheRecord = {
      key: row.key as CacheKeyId,
      result: row.result as ResultId,
      createdAt: row.created_at,
      description: row.description,
      fields: JSON.parse(row.fields) as KeyField[],
      durationMs: row.duration_ms,
    };
    this.#rows.set(record, row);
    return record;
  }

  #saveLink(parent: CacheKeyId, link: CacheLink, child: CacheKeyId): void {
    this.#state.database.run(
      `INSERT INTO cache_links(parent, op, output, input, selector, child) VALUES(?, ?, ?, ?, ?, ?)
       ON CONFLICT(parent, op, output, input, selector, child) DO NOTHING`,
      this.#key(parent),
      link.op,
      link.output,
      link.input,
      link.selector,
      this.#key(child),
    );
  }

  #saveRecord(record: CacheRecord): void {
    this.#state.needs.note(record.result);
    this.#state.database.run(
      `INSERT INTO cache_records(key, result, created_at, last_used_at, duration_ms, description, fields)
       VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key, result) DO NOTHING`,
      this.#key(record.key),
      record.result,
      record.createdAt,
      record.createdAt,
      record.durationMs,
      record.description,
      JSON.stringify(record.fields),
    );
  }

  /** Row id of a key, made when it is new. */
  #key(name: CacheKeyId): number {
    const { database } = this.#state;
    const row = database.get<{ id: number }>("SELECT id FROM cache_keys WHERE name=?", name);
    return row?.id ?? database.run("INSERT INTO cache_keys(name) VALUES(?)", name).lastId;
  }
}

interface EvictedRow extends Omit<RecordRow, "id" | "last_used_at"> {
  readonly evicted_at: number;
  readonly evicted_by: string;
}

function evictedRecord(row: EvictedRow): CacheRecord {
  return {
    key: row.key as CacheKeyId,
    result: row.result as ResultId,
    createdAt: row.created_at,
    description: row.description,
    fields: JSON.parse(row.fields) as KeyField[],
    durationMs: row.duration_ms,
    evicted: { at: row.evicted_at, by: row.evicted_by },
  };
}
