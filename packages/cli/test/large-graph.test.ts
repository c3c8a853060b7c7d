import { expect, test } from "vitest";
import { collectOften } from "../src/large-graph.ts";

test("old objects are collected more often in a build of thousands of vertices alone", () => {
  const set: string[] = [];
  for (const vertices of [1, 5_000, 5_001]) collectOften(vertices, (flags) => void set.push(flags));
  expect(set).toEqual(["--heap-growing-percent=40"]);
  // V8 knows the flag: it prints to standard error what it does not.
  expect(() => collectOften(10_000)).not.toThrow();
});
