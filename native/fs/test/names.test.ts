import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeName, encodeName, nativeFs } from "../src/index.ts";
import { entriesBelow, failureOf, openRoot, temporaryFolder } from "./fixture.ts";

const samples: readonly (readonly [bytes: string, text: string])[] = [
  ["plain", "plain"],
  ["\xc3\xa9", "é"],
  ["\xf0\x9f\x98\x80", "😀"],
  ["\xff", "\udcff"],
  ["caf\xe9", "caf\udce9"],
  // A surrogate in UTF-8's clothes is no UTF-8: three bytes on their own.
  ["\xed\xb2\x80", "\udced\udcb2\udc80"],
  // Cut off in the middle, then a good character.
  ["\xf0\x9f\x98é".replace("é", "\xc3\xa9"), "\udcf0\udc9f\udc98é"],
  ["\xc0\xaf", "\udcc0\udcaf"],
  ["new\nline tab\t", "new\nline tab\t"],
];

test.each(samples)("bytes %j are the text %j, both ways", (bytes, text) => {
  const raw = Buffer.from(bytes, "latin1");
  expect(decodeName(raw)).toBe(text);
  expect(encodeName(text)).toEqual(raw);
});

test("every single byte and every pair of bytes survives", () => {
  for (let high = 0; high < 256; high++) {
    for (let low = 1; low < 256; low += 7) {
      const raw = Buffer.of(high, low);
      expect(encodeName(decodeName(raw)).equals(raw)).toBe(true);
    }
  }
});

test("a surrogate that stands for no byte is refused", async () => {
  expect(() => encodeName("a\ud800")).toThrow(/EINVAL/);
  expect(() => encodeName("\udc7f")).toThrow(/EINVAL/);
});

test("names on disk come back from every call", async () => {
  const folder = temporaryFolder();
  const root = openRoot(folder);
  for (const [bytes] of samples)
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(bytes, "latin1")]), bytes);
  const sorted = [...samples].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  expect(nativeFs.listInRoot(root, "")).toEqual(sorted);
  expect((await entriesBelow(root)).slice(1).map((entry) => entry.path)).toEqual(sorted);
  const contents = await nativeFs.readFiles(root, sorted, 100);
  expect(contents.map((content, index) => [content.toString(), sorted[index]])).toEqual(
    sorted.map((text) => [encodeName(text).toString("latin1"), text]),
  );
  for (const text of sorted) expect(nativeFs.statInRoot(root, text, false)).toBeDefined();
});

test("a NUL in a path is refused, alone and in a batch", async () => {
  const folder = temporaryFolder();
  mkdirSync(`${folder}/a`);
  const root = openRoot(folder);
  expect(() => nativeFs.statInRoot(root, "a\0b", false)).toThrow(TypeError);
  const failure = await failureOf(() => nativeFs.hashFiles(root, ["a\0b"]));
  expect(failure).toMatchObject({ code: "EINVAL", syscall: "paths" });
});
