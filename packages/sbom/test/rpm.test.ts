import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { berkeleyHeaders, isBerkeleyHash } from "../src/databases/berkeley.ts";
import { ndbHeaders } from "../src/databases/ndb.ts";
import { rpmPackage } from "../src/databases/rpm-header.ts";
import { sqliteHeaders } from "../src/databases/rpm-sqlite.ts";

/** Tags with a string or a number, as rpm lays them out. */
function header(tags: ReadonlyMap<number, string | number>): Buffer {
  const entries: Buffer[] = [];
  let data = Buffer.alloc(0);
  for (const [tag, value] of tags) {
    const entry = Buffer.alloc(16);
    entry.writeInt32BE(tag, 0);
    entry.writeUInt32BE(typeof value === "string" ? 6 : 4, 4);
    entry.writeUInt32BE(data.length, 8);
    entry.writeUInt32BE(1, 12);
    entries.push(entry);
    const number = Buffer.alloc(4);
    if (typeof value === "number") number.writeUInt32BE(value);
    data = Buffer.concat([data, typeof value === "string" ? Buffer.from(`${value}\0`) : number]);
  }
  const counts = Buffer.alloc(8);
  counts.writeUInt32BE(entries.length, 0);
  counts.writeUInt32BE(data.length, 4);
  return Buffer.concat([counts, ...entries, data]);
}

const bash = header(
  new Map<number, string | number>([
    [1000, "bash"],
    [1001, "5.2.15"],
    [1002, "3.fc38"],
    [1003, 1],
    [1011, "Fedora Project"],
    [1014, "GPLv3+"],
    [1020, "https://www.gnu.org/software/bash"],
    [1022, "x86_64"],
    [1044, "bash-5.2.15-3.fc38.src.rpm"],
  ]),
);
const key = header(
  new Map([
    [1000, "gpg-pubkey"],
    [1001, "eb10b464"],
    [1002, "6202d9c6"],
  ]),
);

function databaseFile(schema: string, blobs: readonly Buffer[]): string {
  const folder = mkdtempSync(join(tmpdir(), "sbom-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "rpmdb.sqlite");
  const database = new DatabaseSync(path);
  database.exec(schema);
  for (const blob of blobs) database.prepare("INSERT INTO Packages (blob) VALUES (?)").run(blob);
  database.close();
  return path;
}

test("a header tells of its package, and of a key nothing", () => {
  expect(rpmPackage(bash, "db")).toEqual({
    type: "rpm",
    name: "bash",
    version: "5.2.15-3.fc38",
    epoch: 1,
    architecture: "x86_64",
    upstream: "bash-5.2.15-3.fc38.src.rpm",
    licenses: ["GPLv3+"],
    supplier: "Fedora Project",
    homepage: "https://www.gnu.org/software/bash",
    foundIn: "db",
  });
  expect(rpmPackage(key, "db")).toBeUndefined();
});

test("every cut of a header is an error of range or a package less, and nothing else", () => {
  for (let length = 0; length < bash.length; length++) {
    try {
      rpmPackage(bash.subarray(0, length), "db");
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
});

test("sqlite: the headers of rpm's table", () => {
  const schema = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)";
  const found = [...sqliteHeaders(databaseFile(schema, [bash, key]))];
  expect(found.map((blob) => rpmPackage(blob, "db")?.name)).toEqual(["bash", undefined]);
});

test("sqlite: a table that computes what it holds is not asked", () => {
  const endless =
    "CREATE VIEW Packages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS hnum, i AS blob FROM n";
  const large =
    "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, blob BLOB AS (zeroblob(1000000000)))";
  for (const schema of [endless, large, "CREATE TABLE Other (a)"]) {
    expect(() => [...sqliteHeaders(databaseFile(schema, []))], schema).toThrow("no table that rpm made");
  }
});

/** A page of slots, then the blobs. */
function ndb(blobs: readonly Buffer[]): Buffer {
  const page = Buffer.alloc(4096);
  page.write("RpmP", 0);
  page.writeUInt32LE(1, 12);
  const parts: Buffer[] = [page];
  let block = page.length / 16;
  for (let slot = 2; slot < 256; slot++) {
    page.write("Slot", slot * 16);
    const blob = blobs[slot - 2];
    if (blob === undefined) continue;
    const blocks = Math.ceil((16 + blob.length) / 16);
    page.writeUInt32LE(slot, slot * 16 + 4);
    page.writeUInt32LE(block, slot * 16 + 8);
    page.writeUInt32LE(blocks, slot * 16 + 12);
    const part = Buffer.alloc(blocks * 16);
    part.write("BlbS", 0);
    part.writeUInt32LE(blob.length, 12);
    blob.copy(part, 16);
    parts.push(part);
    block += blocks;
  }
  return Buffer.concat(parts);
}

test("ndb: the headers that its slots name; cut or damaged it says so", () => {
  const bytes = ndb([bash, key]);
  expect([...ndbHeaders(bytes)].map((blob) => rpmPackage(blob, "db")?.name)).toEqual(["bash", undefined]);
  expect(() => [...ndbHeaders(bytes.subarray(0, bytes.length - 64))]).toThrow(RangeError);
  const damaged = Buffer.from(bytes);
  damaged.write("XXXX", 3 * 16);
  expect(() => [...ndbHeaders(damaged)]).toThrow("damaged");
});

const PAGE_BYTES = 512;

function berkeleyPage(
  type: number,
  fields: { readonly next?: number; readonly entries?: number; readonly offset?: number },
): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  page.writeUInt32LE(fields.next ?? 0, 16);
  page.writeUInt16LE(fields.entries ?? 0, 20);
  page.writeUInt16LE(fields.offset ?? 0, 22);
  page[25] = type;
  return page;
}

/** A page of keys and values: items from its end, their offsets from its start. */
function hashPage(items: readonly Buffer[]): Buffer {
  const page = berkeleyPage(13, { entries: items.length });
  let end = PAGE_BYTES;
  for (const [index, item] of items.entries()) {
    end -= item.length;
    item.copy(page, end);
    page.writeUInt16LE(end, 26 + 2 * index);
  }
  return page;
}

/** As many pages as the text takes, from number `first` on. */
function overflowPages(text: Buffer, first: number): Buffer[] {
  const room = PAGE_BYTES - 26;
  const parts = Array.from({ length: Math.ceil(text.length / room) }, (_, at) =>
    text.subarray(at * room, (at + 1) * room),
  );
  return parts.map((part, at) => {
    const page = berkeleyPage(7, { offset: part.length, next: at + 1 < parts.length ? first + at + 1 : 0 });
    part.copy(page, 26);
    return page;
  });
}

function berkeley(long: Buffer): Buffer {
  const meta = berkeleyPage(8, {});
  meta.writeUInt32LE(0x61561, 12);
  meta.writeUInt32LE(PAGE_BYTES, 20);
  const inline = (bytes: Buffer) => Buffer.concat([Buffer.from([1]), bytes]);
  const offPage = Buffer.alloc(12);
  offPage[0] = 3;
  offPage.writeUInt32LE(2, 4);
  offPage.writeUInt32LE(long.length, 8);
  const keyOf = (number: number) => inline(Buffer.from([number, 0, 0, 0]));
  const items = [keyOf(0), inline(Buffer.from([2, 0, 0, 0])), keyOf(1), inline(key), keyOf(2), offPage];
  return Buffer.concat([meta, hashPage(items), ...overflowPages(long, 2)]);
}

test("Berkeley DB: values on their page and on pages of their own; a circle or a cut ends", () => {
  const long = Buffer.concat([bash, Buffer.alloc(1500)]);
  const bytes = berkeley(long);
  expect(isBerkeleyHash(bytes)).toBe(true);
  const found = [...berkeleyHeaders(bytes)];
  expect(found.map((blob) => rpmPackage(blob, "db")?.name)).toEqual([undefined, "bash"]);
  expect(found[1]?.equals(long)).toBe(true);
  const circle = Buffer.from(bytes);
  circle.writeUInt32LE(2, 2 * PAGE_BYTES + 16);
  expect([...berkeleyHeaders(circle)][1]).toHaveLength(long.length);
  for (let length = 512; length < bytes.length; length += 64) {
    try {
      for (const blob of berkeleyHeaders(bytes.subarray(0, length))) rpmPackage(blob, "db");
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
});
