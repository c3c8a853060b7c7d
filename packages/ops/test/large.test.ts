import { expect, test } from "vitest";
import { largeContext } from "../src/content/large.ts";

const context = { name: "context", folder: "/app", ignore: [] };

/** A walk as the reader gives it: folders end with a slash, and entry 0 is what was walked. */
function walked(files: Readonly<Record<string, number>>, path = "") {
  const entries = Object.entries(files);
  const reader = {
    path: (index: number) => entries[index]![0].replace(/\/$/, ""),
    isFolder: (index: number) => entries[index]![0].endsWith("/") || entries[index]![0] === "",
    isFile: (index: number) => !entries[index]![0].endsWith("/") && entries[index]![0] !== "",
    size: (index: number) => entries[index]![1],
  };
  return { located: { path }, reader, chosen: Uint32Array.from(entries.keys()) };
}

const files = { "": 4096, "a/": 4096, "a/b/": 4096, "a/b/c": 70, "a/d": 5, x: 100, "z/": 4096, "z/y": 20 };

test("what is read is summed by what lies at its top, largest first", () => {
  expect(largeContext(context, walked(files), { bytes: 194, entries: 100 })).toEqual({
    context,
    entries: 8,
    bytes: 195,
    top: [
      { path: "x", entries: 1, bytes: 100 },
      { path: "a/", entries: 4, bytes: 75 },
      { path: "z/", entries: 2, bytes: 20 },
    ],
  });
});

test("bytes and entries each count alone, and only beyond their bounds", () => {
  expect(largeContext(context, walked(files), { bytes: 195, entries: 8 })).toBeUndefined();
  expect(largeContext(context, walked(files), { bytes: 195, entries: 7 })?.entries).toBe(8);
  expect(largeContext(context, walked(files), { bytes: 194, entries: 8 })?.bytes).toBe(195);
});

test("what the ignore file or a selector leaves out does not count", () => {
  const { chosen, ...rest } = walked(files);
  const some = { ...rest, chosen: chosen.filter((index) => ![3, 5].includes(index)) };
  expect(largeContext(context, some, { bytes: 0, entries: 100 })?.bytes).toBe(25);
});

test("paths below a folder that is read alone begin at the context", () => {
  const large = largeContext(context, walked(files, "srv/app"), { bytes: 1, entries: 1 });
  expect(large?.top.map(({ path }) => path)).toEqual(["srv/app/x", "srv/app/a/", "srv/app/z/"]);
});

test("a single file, and a file whose name is empty in the walk that it is", () => {
  const file = walked({ big: 10 });
  const reader = { ...file.reader, path: () => "" };
  const large = largeContext(
    context,
    { ...file, reader, located: { path: "data/big" } },
    { bytes: 1, entries: 9 },
  );
  expect(large?.top).toEqual([{ path: "data/big", entries: 1, bytes: 10 }]);
});

test("five of many are named", () => {
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, i]));
  const large = largeContext(context, walked(many), { bytes: 1, entries: 1 });
  expect(large?.top.map(({ path }) => path)).toEqual(["f8", "f7", "f6", "f5", "f4"]);
});
