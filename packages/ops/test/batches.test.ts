import { expect, test } from "vitest";
import { Batches } from "../src/content/batches.ts";

const LARGE = 1024 * 1024;

function batchesOf(sizes: readonly number[], limits = { most: 100, threads: 2 }): number[][] {
  const files = Uint32Array.from(sizes.keys());
  const batches = new Batches(files, (index) => sizes[index]!, limits);
  const taken: number[][] = [];
  for (let batch = batches.take(); batch.length > 0; batch = batches.take()) taken.push([...batch]);
  return taken;
}

test("large files come first, each alone", () => {
  expect(batchesOf([1, LARGE, 2, LARGE - 1, 2 * LARGE])).toEqual([[1], [4], [0, 2, 3]]);
});

test("small ones are shared out to all threads, but not in tiny portions", () => {
  expect(batchesOf(new Array<number>(90).fill(1)).map((batch) => batch.length)).toEqual([45, 45]);
  expect(batchesOf(new Array<number>(33).fill(1)).map((batch) => batch.length)).toEqual([32, 1]);
  expect(batchesOf([])).toEqual([]);
});

test("many are taken in bounded portions, each file once", () => {
  const batches = batchesOf([...new Array<number>(250).fill(1), LARGE]);
  expect(batches.map((batch) => batch.length)).toEqual([1, 100, 100, 50]);
  expect(batches.flat().toSorted((a, b) => a - b)).toEqual([...Array.from({ length: 251 }).keys()]);
});
