import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, it } from "vitest";
import { StateDatabase } from "../src/database.ts";
import { temporaryRoot } from "./world.ts";

const OFF = 0;
const NORMAL = 1;

const opened: StateDatabase[] = [];

afterEach(() => {
  for (const database of opened.splice(0)) database.close();
});

function open(file: string): StateDatabase {
  const database = new StateDatabase(file, file);
  opened.push(database);
  return database;
}

/** How much is synced, and when the log is written to the database, within a transaction that writes. */
function written(database: StateDatabase, name: string) {
  return database.transaction(() => {
    database.run("INSERT INTO cache_keys(name) VALUES(?)", name);
    const row = {
      ...database.get<{ synchronous: number }>("PRAGMA synchronous"),
      ...database.get<{ wal_autocheckpoint: number }>("PRAGMA wal_autocheckpoint"),
    };
    return row;
  });
}

function madeAt(file: string): void {
  new StateDatabase(file, file).close();
}

it("the transaction that begins a log waits for no disk, all others are as SQLite has them", () => {
  const file = join(temporaryRoot(), "state.db");
  const unsynced = { synchronous: OFF, wal_autocheckpoint: 0 };
  const synced = { synchronous: NORMAL, wal_autocheckpoint: 1000 };
  expect(written(open(file), "the first, of a new database")).toEqual(synced);
  opened.pop()?.close();
  const one = open(file);
  const other = open(file);
  expect(written(one, "a")).toEqual(unsynced);
  expect(written(one, "b")).toEqual(synced);
  /* This one finds a log that has something in it, though it was opened when it had not. */
  expect(written(other, "c")).toEqual(synced);
  expect(one.all<{ name: string }>("SELECT name FROM cache_keys ORDER BY id").length).toBe(4);
});

it("a transaction that failed is not what begins the log", () => {
  const file = join(temporaryRoot(), "state.db");
  madeAt(file);
  const database = open(file);
  const fail = (): void => {
    database.transaction(() => {
      database.run("INSERT INTO cache_keys(name) VALUES('x')");
      throw new Error("no");
    });
  };
  expect(fail).toThrow("no");
  expect(written(database, "a").synchronous).toBe(OFF);
  expect(written(database, "b").synchronous).toBe(NORMAL);
});

it("a transaction that only reads is not what begins the log", () => {
  const file = join(temporaryRoot(), "state.db");
  madeAt(file);
  const database = open(file);
  database.transaction(() => database.get("SELECT 1 FROM cache_keys"));
  expect(written(database, "a").synchronous).toBe(OFF);
  expect(written(database, "b").synchronous).toBe(NORMAL);
});

it("a database without a log is always synced", () => {
  const file = join(temporaryRoot(), "state.db");
  madeAt(file);
  const plain = new DatabaseSync(file);
  plain.exec("PRAGMA journal_mode=DELETE");
  plain.close();
  expect(written(open(file), "a").synchronous).toBe(NORMAL);
});

it("what is put off is written with the next transaction, before closing at the latest, and given up with one that fails", () => {
  const file = join(temporaryRoot(), "state.db");
  const database = open(file);
  const ended: string[] = [];
  const put = (
    name: string,
    write = () => void database.run("INSERT INTO cache_keys(name) VALUES(?)", name),
  ) => database.defer({ write, end: () => ended.push(name) });
  const names = (one: StateDatabase) =>
    one.all<{ name: string }>("SELECT name FROM cache_keys ORDER BY id").map(({ name }) => name);
  put("a");
  expect(names(database)).toEqual([]);
  written(database, "b");
  expect(names(database)).toEqual(["b", "a"]);
  put("c", () => {
    throw new Error("no room");
  });
  expect(() => written(database, "d")).toThrow("no room");
  written(database, "e");
  expect(names(database)).toEqual(["b", "a", "e"]);
  put("f");
  database.settle();
  database.settle();
  expect(names(database)).toEqual(["b", "a", "e", "f"]);
  expect(ended).toEqual(["a", "c", "f"]);
});

/** One of a process that ends after it; what is never closed here. */
async function endedAfter(file: string, work: (database: StateDatabase) => void): Promise<void> {
  const database = new StateDatabase(file, file, { processEnds: true });
  opened.push(database);
  work(database);
  await database.end();
}

it("is left as it is by a process that ends, and closed by one that may live on", async () => {
  const file = join(temporaryRoot(), "state.db");
  madeAt(file);
  await endedAfter(file, (database) => written(database, "a"));
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
  const next = open(file);
  expect(next.get("SELECT name FROM cache_keys")).toEqual({ name: "a" });
  // Nothing begins the log that it has found.
  expect(written(next, "b").synchronous).toBe(NORMAL);
  for (const database of opened.splice(0)) database.close();
  expect(existsSync(`${file}-wal`)).toBe(false);
  const last = new StateDatabase(file, file);
  written(last, "c");
  await last.end();
  expect(existsSync(`${file}-wal`)).toBe(false);
  expect(open(file).all("SELECT 1 FROM cache_keys").length).toBe(3);
});

it("is left by a process that ends where there is no log, too", async () => {
  const file = join(temporaryRoot(), "state.db");
  madeAt(file);
  const plain = new DatabaseSync(file);
  plain.exec("PRAGMA journal_mode=DELETE");
  plain.close();
  await endedAfter(file, (database) => written(database, "a"));
  expect(open(file).get("SELECT name FROM cache_keys")).toEqual({ name: "a" });
});
