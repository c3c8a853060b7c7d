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
import { PendingRecords } from "./pending-records.ts";
import { refForHold, snapshotOfResult } from "./refs.ts";
import type { OverlaySnapshotStore } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

/** Times of use are kept this coarse, so that a build that finds everything in the cache seldom writes. */
const USE_GRAIN_MS = 60 * 60 * 1000;
/**
 * What was saved is written this much later at the latest, together: each transaction writes whole pages, ten vertices change hardly more of
 * them than one.
 */
const WRITE_DELAY_MS = 50;
/** And this much at once at most: it is in memory until then. */
const MAX_PENDING = 4_000;

// Sorted by whoever reads more than one row: sorting one costs SQLite more than finding it.
const LINKED = `
SELECT l.id, child.name FROM cache_links l
  JOIN cache_keys parent ON parent.id = l.parent
  JOIN cache_keys child ON child.id = l.child
WHERE parent.name=? AND l.op=? AND l.output=? AND l.input=? AND l.selector=?`;

const NEWEST_LINKED = `${LINKED} ORDER BY l.id DESC LIMIT 1`;

/** Of many keys at once: a statement costs more than finding a row. */
const LINKED_FROM_ANY = `
SELECT asked.key AS place, l.id, child.name FROM json_each(?) asked
  CROSS JOIN cache_keys parent ON parent.name = asked.value
  CROSS JOIN cache_links l ON l.parent = parent.id
  JOIN cache_keys child ON child.id = l.child
WHERE l.op=? AND l.output=? AND l.input=? AND l.selector=?`;

const LINKS_TO = `
SELECT parent.name AS parent, l.op, l.output, l.input, l.selector FROM cache_links l
  JOIN cache_keys parent ON parent.id = l.parent
  JOIN cache_keys child ON child.id = l.child
WHERE child.name=? ORDER BY l.id DESC`;

const RECORD_COLUMNS =
  "k.name AS key, r.id, r.result, r.created_at, r.last_used_at, r.description, r.fields, r.duration_ms";

const RECORDS = `
SELECT ${RECORD_COLUMNS} FROM cache_records r JOIN cache_keys k ON k.id = r.key
WHERE k.name=?`;

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

/**
 * The solver's keys, links and records. Row ids stand for keys; their names are stored once.
 *
 * What is saved can be read here at once, and by others after the next write, a few milliseconds later (`flushed`).
 */
export class SqliteCacheStorage implements RecordStorage {
  readonly #state: StoreState;
  readonly #snapshots: OverlaySnapshotStore;
  /** Rows of the records handed out, for `load`. */
  readonly #rows = new WeakMap<CacheRecord, RecordRow>();
  readonly #used = new Set<number>();
  /** Of results that were made here, those that have been saved. */
  readonly #saved = new Set<ResultId>();
  #pending = new PendingRecords();
  #write: PendingWrite | undefined;
  /** The oldest keys of results that have more than were ever asked for (scratch): they stay the oldest. One that is collected meanwhile leads nowhere. */
  readonly #common = new Map<ResultId, readonly CacheKeyId[]>();
  /** Row ids of keys, within one transaction: nobody removes any meanwhile. */
  readonly #ids = new Map<CacheKeyId, number>();

  constructor(state: StoreState, snapshots: OverlaySnapshotStore) {
    this.#state = state;
    this.#snapshots = snapshots;
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    const rows = this.#state.database.all<{ id: number; name: string }>(
      LINKED,
      parent,
      link.op,
      link.output,
      link.input,
      link.selector,
    );
    if (rows.length > 1) rows.sort((a, b) => a.id - b.id);
    return united(rows, this.#pending.linked(parent, link));
  }

  newestLinked(parent: CacheKeyId, link: CacheLink): CacheKeyId | undefined {
    // One that is saved again is no newer.
    if (this.#pending.linked(parent, link).length > 0) return this.linked(parent, link).at(-1);
    const { op, output, input, selector } = link;
    const row = this.#state.database.get<{ name: string }>(
      NEWEST_LINKED,
      ...[parent, op, output, input, selector],
    );
    return row?.name as CacheKeyId | undefined;
  }

  linkedFromAny(parents: readonly CacheKeyId[], link: CacheLink): readonly CacheKeyId[] {
    const { op, output, input, selector } = link;
    const rows = this.#state.database.all<{ place: number; id: number; name: string }>(
      LINKED_FROM_ANY,
      JSON.stringify(parents),
      ...[op, output, input, selector],
    );
    if (rows.length > 1) rows.sort((a, b) => a.id - b.id);
    const found = parents.flatMap((parent, place) => [
      ...rows.filter((row) => row.place === place).map(({ name }) => name as CacheKeyId),
      ...this.#pending.linked(parent, link),
    ]);
    return found.length > 1 ? [...new Set(found)] : found;
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    const rows = this.#state.database.all<RecordRow>(RECORDS, key);
    for (const { result } of rows) this.#state.needs.note(result);
    if (rows.length > 1) rows.sort((a, b) => b.created_at - a.created_at || b.id - a.id);
    const written = rows.map((row) => this.#record(row));
    const pending = this.#pending
      .records(key)
      .filter(({ result }) => !rows.some((row) => row.result === result));
    return pending.length === 0 ? written : newestFirst([...pending.toReversed(), ...written]);
  }

  keysOf(result: ResultId, atMost = -1): readonly CacheKeyId[] {
    if (this.#isNew(result)) return [];
    const common = this.#common.get(result);
    if (common?.length === atMost) return common;
    const rows = this.#state.database.all<{ name: string }>(
      "SELECT k.name FROM cache_records r JOIN cache_keys k ON k.id = r.key WHERE r.result=? ORDER BY r.id LIMIT ?",
      result,
      atMost,
    );
    const keys = united(rows, this.#pending.keysOf(result));
    if (atMost < 0) return keys;
    if (rows.length === atMost) this.#common.set(result, keys.slice(0, atMost));
    return keys.slice(0, atMost);
  }

  /** What was made here and never saved has no record: what the database knows of it need not be asked. */
  #isNew(result: ResultId): boolean {
    const snapshot = snapshotOfResult(result);
    return typeof snapshot === "string" && this.#snapshots.isMadeHere(snapshot) && !this.#saved.has(result);
  }

  save(entry: Parameters<CacheStorage["save"]>[0]): void {
    for (const { result } of entry.records) {
      this.#state.needs.note(result);
      this.#saved.add(result);
    }
    this.#pending.add(entry);
    this.#write ??= writeLater(() => this.flush());
    if (this.#pending.size > MAX_PENDING) this.flush();
  }

  flushed(): Promise<void> | undefined {
    return this.#write?.done;
  }

  flush(): void {
    const [write, pending] = [this.#write, this.#pending];
    if (write === undefined) return;
    this.#write = undefined;
    this.#pending = new PendingRecords();
    try {
      this.#state.database.transaction(() => {
        this.#ids.clear();
        for (const { parent, link, child } of pending.entry.links) this.#saveLink(parent, link, child);
        for (const record of pending.entry.records) this.#saveRecord(record);
      });
      write.succeed();
    } catch (error) {
      write.fail(error);
    }
  }

  linksTo(child: CacheKeyId): readonly { readonly parent: CacheKeyId; readonly link: CacheLink }[] {
    this.flush();
    const rows = this.#state.database.all<{ parent: string } & CacheLink>(LINKS_TO, child);
    return rows.map(({ parent, op, output, input, selector }) => ({
      parent: parent as CacheKeyId,
      link: { op, output, input, selector },
    }));
  }

  newestLike(description: string): CacheRecord | undefined {
    this.flush();
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
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const { database } = this.#state;
    const row = database.get<{ id: number }>("SELECT id FROM cache_keys WHERE name=?", name);
    const id = row?.id ?? database.run("INSERT INTO cache_keys(name) VALUES(?)", name).lastId;
    this.#ids.set(name, id);
    return id;
  }
}

/** Of equal times what comes first. */
function newestFirst(records: readonly CacheRecord[]): readonly CacheRecord[] {
  return records.toSorted((a, b) => b.createdAt - a.createdAt);
}

function united(
  rows: readonly { readonly name: string }[],
  more: readonly CacheKeyId[],
): readonly CacheKeyId[] {
  const names = rows.map(({ name }) => name as CacheKeyId);
  return more.length === 0 ? names : [...new Set([...names, ...more])];
}

/** A write that has not been done yet, and who waits for it. */
interface PendingWrite {
  readonly done: Promise<void>;
  succeed(): void;
  fail(error: unknown): void;
}

function writeLater(write: () => void): PendingWrite {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(write, WRITE_DELAY_MS);
  // Whoever asks hears of it; a write that nobody waits for is no reason to end the process.
  promise.catch(() => undefined);
  return {
    done: promise,
    succeed: () => {
      clearTimeout(timer);
      resolve();
    },
    fail: (error) => {
      clearTimeout(timer);
      reject(error);
    },
  };
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
