import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { layer, openAt, temporaryRoot } from "./world.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("memo store", () => {
  it("remembers by kind and key", () => {
    const { memo } = openAt(temporaryRoot());
    memo.set("tag", "a", bytes("1"));
    memo.set("etag", "a", bytes(""));
    expect(memo.get("tag", "a")).toEqual(new Uint8Array(bytes("1")));
    expect(memo.get("etag", "a")).toEqual(new Uint8Array());
    expect(memo.get("tag", "b")).toBeUndefined();
    memo.set("tag", "a", bytes("2"));
    expect(memo.get("tag", "a")).toEqual(new Uint8Array(bytes("2")));
  });

  it("writes with the next transaction, or when the store is closed, what it has told at once", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    const written = (key: string): boolean => {
      const database = new DatabaseSync(join(root, "v1", "state.db"), { readOnly: true });
      const row = database.prepare("SELECT 1 FROM memo WHERE key=?").get(key);
      database.close();
      return row !== undefined;
    };
    const value = bytes("1");
    first.memo.set("tag", "a", value);
    value.fill(0);
    expect(first.memo.get("tag", "a")).toEqual(new Uint8Array(bytes("1")));
    expect(written("a")).toBe(false);
    layer(first, null);
    expect(written("a")).toBe(true);
    first.memo.set("tag", "large", Buffer.alloc(5000));
    expect(written("large")).toBe(true);
    first.memo.set("tag", "b", bytes("2"));
    await first.close();
    const second = openAt(root);
    expect(second.memo.get("tag", "a")).toEqual(new Uint8Array(bytes("1")));
    expect(second.memo.get("tag", "b")).toEqual(new Uint8Array(bytes("2")));
  });

  it("forgets the oldest of a kind, and only of it", () => {
    const { memo } = openAt(temporaryRoot());
    memo.set("other", "0", bytes("x"));
    for (let i = 0; i < 2500; i++) memo.set("tag", String(i), bytes("x"));
    const kept = Array.from({ length: 2500 }, (_, i) => memo.get("tag", String(i)) !== undefined);
    expect(kept.filter(Boolean).length).toBeGreaterThanOrEqual(2000);
    expect(kept.filter(Boolean).length).toBeLessThan(2000 + 64 + 32);
    expect(kept.indexOf(true)).toBe(kept.lastIndexOf(false) + 1);
    expect(memo.get("other", "0")).toBeDefined();
  });

  it("is bounded in bytes, but keeps the newest", () => {
    const { memo } = openAt(temporaryRoot());
    const big = Buffer.alloc(2 * 1024 * 1024);
    for (let i = 0; i < 64; i++) memo.set("graph", String(i), big);
    const kept = Array.from({ length: 64 }, (_, i) => memo.get("graph", String(i)) !== undefined);
    expect(kept.filter(Boolean)).toHaveLength(32);
    expect(kept.at(-1)).toBe(true);
  });
});
