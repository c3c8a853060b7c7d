import type { KeyField } from "@tsbuild/solver";
import { constant, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

function graph(options: { base?: number; context?: number; version?: string; command?: string } = {}) {
  const { base = 1, context = 12, version = "1", command = "make" } = options;
  const from = constant("FROM", base, { fields: [{ name: "base", value: String(base) }] });
  const local = constant("context", context, { key: "context", contentOnly: true });
  const copy = integer("COPY", [from, local], {
    content: { 1: (n) => n },
    contentFields: (n): readonly KeyField[] => [
      { name: "file:src/tens", value: String(Math.floor(n / 10)) },
      { name: "file:src/units", value: String(n % 10) },
    ],
  });
  const fields = [
    { name: "args", value: command },
    { name: "env.VERSION", value: version },
  ];
  return integer("RUN", [copy], { key: `${command} ${version}`, fields });
}

const reasonsOf = async (options?: Parameters<typeof graph>[0]) =>
  (await world.solve(graph(options))).reasons;

test("of a first build: all of it is new", async () => {
  const fresh = { kind: "never-built", text: "never built here" };
  expect(await reasonsOf()).toMatchObject({ FROM: fresh, COPY: fresh, RUN: fresh });
});

test("of a changed file", async () => {
  await reasonsOf();
  expect(await reasonsOf({ context: 13 })).toMatchObject({
    COPY: { kind: "input-content", text: "changed: src/units" },
    RUN: { kind: "input", text: "after COPY" },
  });
});

test("of a changed base", async () => {
  await reasonsOf();
  expect(await reasonsOf({ base: 2 })).toMatchObject({
    FROM: { kind: "base", text: "base moved 1 → 2" },
    COPY: { kind: "base", text: "base moved 1 → 2" },
    RUN: { kind: "input", text: "after COPY" },
  });
});

test("of a changed argument and a changed command", async () => {
  await reasonsOf();
  expect(await reasonsOf({ version: "2" })).toMatchObject({
    RUN: { kind: "arg", text: "ENV VERSION 1 → 2" },
  });
  expect(await reasonsOf({ version: "2", command: "ninja" })).toMatchObject({
    RUN: { kind: "instruction", text: "instruction edited" },
  });
});

test("content fields that cannot be had leave the build alone", async () => {
  const copy = (n: number) =>
    integer("copy", [constant("n", n)], {
      content: { 0: (value) => value },
      contentFields: () => {
        throw new Error("unreadable");
      },
    });
  await world.solve(copy(1));
  const report = await world.solve(copy(2));
  expect(report.value).toBe(2);
  expect(report.reasons["copy"]).toMatchObject({ kind: "input-content", text: "changed: content of n" });
});
