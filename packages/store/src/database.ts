import { closeSync, fsync, openSync, statSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { promisify } from "node:util";
import { guarded, guardedAsync, isBusy } from "./failure.ts";
import { migrateSchema, SCHEMA_VERSION, unknownVersion } from "./schema.ts";

const syncOnThread = promisify(fsync);

/** How long a transaction waits for another process's. Transactions here are short: this is for a loaded machine. */
const BUSY_TIMEOUT_MS = 10_000;

export type Value = SQLInputValue;

const SYNCED = "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1000";
/** What is in the log must be on the disk before any of it is written to the database: that is none of such a connection's business. */
const UNSYNCED = "PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0";

interface Deferred {
  /** In a transaction. */
  write(): void;
  /** That transaction is committed, or has failed: then it is given up, lest the next one fails for want of room for it. */
  end(): void;
}

/**
 * The metadata database: one connection, prepared statements kept by their text. Every change happens in `transaction`, which
 * takes the write lock at its start, so that what it reads stays true until it commits.
 *
 * WAL with synchronous=NORMAL: a commit is one write without fsync. A killed process loses nothing that was committed; a power
 * cut may lose the newest commits but never breaks the database, and never keeps a commit without those before it. The one fsync that
 * SQLite makes nevertheless, of a log's head and folder when the log is begun, is left out for a log that is empty: see `#begin`.
 */
export class StateDatabase {
  readonly #db: DatabaseSync;
  readonly #root: string;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;
  readonly #deferred = new Set<Deferred>();
  readonly #log: string;
  /** PRAGMA synchronous is OFF: nothing has been written through this connection yet. */
  #isUnsynced = false;
  /** Since the log was brought to the disk. */
  #hasWritten = false;
  readonly #processEnds: boolean;
  #leaving: Promise<void> = Promise.resolve();

  /** `processEnds`: right after `end`. */
  constructor(
    file: string,
    root: string,
    { processEnds = false }: { readonly processEnds?: boolean | undefined } = {},
  ) {
    this.#root = root;
    this.#processEnds = processEnds;
    this.#log = `${file}-wal`;
    this.#db = guarded(
      "open the state database",
      root,
      () => new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS }),
    );
    try {
      guarded("open the state database", root, () => this.#prepareSchema());
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** First row, or undefined. */
  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return guarded("read the state database", this.#root, () => this.#statement(sql).get(...values)) as
      | Row
      | undefined;
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return guarded("read the state database", this.#root, () => this.#statement(sql).all(...values)) as Row[];
  }

  /** Runs a statement that changes rows; only inside `transaction`. */
  run(sql: string, ...values: Value[]): { readonly changes: number; readonly lastId: number } {
    const result = guarded("write the state database", this.#root, () => this.#statement(sql).run(...values));
    this.#hasWritten = true;
    return { changes: Number(result.changes), lastId: Number(result.lastInsertRowid) };
  }

  /** One state change: all of `body` or nothing. Inside another transaction it is part of that one. */
  transaction<T>(body: () => T): T {
    if (this.#inTransaction) return body();
    guarded("write the state database", this.#root, () => this.#begin());
    this.#inTransaction = true;
    try {
      const result = body();
      for (const { write } of this.#deferred) write();
      guarded("write the state database", this.#root, () => this.#commit());
      return result;
    } catch (error) {
      // SQLite has already rolled back after some failures, a full disk among them.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#inTransaction = false;
      this.#endDeferred();
    }
  }

  #endDeferred(): void {
    const deferred = [...this.#deferred];
    this.#deferred.clear();
    for (const { end } of deferred) end();
  }

  /** For what nobody misses should it be lost, by a kill or on a full disk: it is written with the next transaction that there is. */
  defer(work: Deferred): void {
    this.#deferred.add(work);
  }

  /** Writes what is still waiting for a transaction. */
  settle(): void {
    if (this.#deferred.size > 0) this.transaction(() => undefined);
  }

  /**
   * At the end of a process, `end` leaves the log as it is, on the disk: SQLite would bring it into the database, wait for the disk once more and remove it,
   * 7 ms of a build. Nobody notices that a process finds it (1,000 pages at most, with which SQLite brings it in), and it need not begin one.
   *
   * This lets the disk begin; no transaction should follow.
   */
  beginLeaving(): void {
    if (!this.#processEnds) return;
    this.#leaving = this.#syncLog();
    this.#leaving.catch(() => undefined);
  }

  /** Closes it, or leaves it to the end of the process. What was committed is then on the disk. Throws TSB_STORE when the disk fails. */
  async end(): Promise<void> {
    if (!this.#processEnds) return this.close();
    await this.#leaving;
    await this.#syncLog();
  }

  async #syncLog(): Promise<void> {
    if (!this.#hasWritten) return;
    this.#hasWritten = false;
    // Where SQLite can have no log, each commit has waited for the disk.
    if (this.#logBytes() === undefined) return;
    await guardedAsync("write the state database", this.#root, async () => {
      const log = openSync(this.#log, "r");
      await syncOnThread(log).finally(() => closeSync(log));
    });
  }

  close(): void {
    this.#statements.clear();
    guarded("close the state database", this.#root, () => {
      this.#sync();
      this.#db.close();
    });
  }

  /**
   * The first transaction begins the log where the last process to close took the one before away, and SQLite waits for the
   * disk twice there (5 ms before the first step of a build): the head of a log that is used once more has to be on the disk before frames follow it,
   * lest old frames that are behind it be taken for its own. An empty file has none behind it: without its head it is no log, and the database is
   * what it was before. So for that transaction alone nothing is synced. Whether the file is empty is looked up under the write lock.
   */
  #begin(): void {
    this.#statement("BEGIN IMMEDIATE").run();
    if (!this.#isUnsynced || this.#isLogEmpty()) return;
    this.#db.exec("ROLLBACK");
    this.#sync();
    this.#statement("BEGIN IMMEDIATE").run();
  }

  /** One that has written nothing has not begun the log: the next may. */
  #commit(): void {
    this.#statement("COMMIT").run();
    if (this.#isUnsynced && !this.#isLogEmpty()) this.#sync();
  }

  #isLogEmpty(): boolean {
    return this.#logBytes() === 0;
  }

  #logBytes(): number | undefined {
    return statSync(this.#log, { throwIfNoEntry: false })?.size;
  }

  #sync(): void {
    if (this.#isUnsynced) this.#db.exec(SYNCED);
    this.#isUnsynced = false;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #version(): number {
    const row = this.#db.prepare("PRAGMA user_version").get() as { user_version: number };
    return row.user_version;
  }

  #prepareSchema(): void {
    const version = this.#version();
    this.#isUnsynced = version === SCHEMA_VERSION && this.#isLogEmpty();
    this.#db.exec(this.#isUnsynced ? UNSYNCED : SYNCED);
    if (version === SCHEMA_VERSION) return;
    if (version > SCHEMA_VERSION) throw unknownVersion(version, this.#root);
    if (version === 0) this.#switchToWal();
    this.transaction(() => {
      // Another process may have been quicker.
      const now = this.#version();
      if (now < SCHEMA_VERSION) migrateSchema(now, (sql) => this.#db.exec(sql));
    });
  }

  /** The journal mode stays with the file. The switch needs the file alone and does not wait by itself. */
  #switchToWal(): void {
    const deadline = Date.now() + BUSY_TIMEOUT_MS;
    for (;;) {
      try {
        this.#db.exec("PRAGMA journal_mode=WAL");
        return;
      } catch (error) {
        if (!isBusy(error) || Date.now() > deadline) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      }
    }
  }
}
