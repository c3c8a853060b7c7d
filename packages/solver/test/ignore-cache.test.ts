import type { ResultId } from "@tsbuild/solver";
import { constant, type IntegerSpec, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
let roll: number;
beforeEach(() => {
  world = new IntegerWorld();
  roll = 1;
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

const three = constant("three", 3);
const fresh: IntegerSpec = { compute: () => roll };
const dice = integer("dice", [three], fresh);
const after = integer("after", [dice]);
const copy = integer("copy", [three, dice], {
  compute: ([a = 0, b = 0]) => a * 100 + (b % 10),
  content: { 1: (n) => n % 10 },
});
const onlyDice = { ignoreCache: (name: string) => name === "dice" };

describe("an ignored vertex", () => {
  test("runs, and what follows uses its new result", async () => {
    await world.solve(after);
    roll = 2;
    const report = await world.solve(after, onlyDice);
    expect(report).toMatchObject({ value: 2, ran: ["dice", "after"] });
    expect(report.reasons["dice"]).toEqual({ kind: "no-cache", text: "--no-cache" });
    expect(report.reasons["after"]).toMatchObject({ kind: "input", text: "after dice" });
    expect(report.cached).toEqual({ three: "definition" });
  });

  test("has the newest record from then on, for all that is computed from it", async () => {
    await world.solve(after);
    roll = 2;
    await world.solve(after, onlyDice);
    expect(await world.solve(after)).toMatchObject({ value: 2, ran: [] });
    expect(await world.solve(dice)).toMatchObject({ value: 2, ran: [] });
  });

  test("its old descendants are not found by definition, also by a later build", async () => {
    await world.solve(after);
    roll = 2;
    await world.solve(dice, onlyDice);
    // `after` was not part of that build; its record was computed from the first roll.
    expect(await world.solve(after)).toMatchObject({ value: 2, ran: ["after"] });
  });

  test("nor after the new result was evicted", async () => {
    await world.solve(after);
    roll = 2;
    await world.solve(dice, onlyDice);
    world.evict("dice");
    roll = 3;
    expect(await world.solve(after)).toMatchObject({ value: 3, ran: ["dice", "after"] });
  });

  test("descendants are found by content", async () => {
    await world.solve(copy);
    roll = 11;
    const same = await world.solve(copy, onlyDice);
    expect(same).toMatchObject({ value: 301, ran: ["dice"] });
    expect(same.cached).toEqual({ three: "definition", copy: "content" });
    roll = 12;
    expect(await world.solve(copy, onlyDice)).toMatchObject({ value: 302, ran: ["dice", "copy"] });
    expect(await world.solve(copy)).toMatchObject({ value: 302, ran: [] });
  });

  test("with the same result changes nothing for anybody", async () => {
    const image = constant("image", 1, { resultId: (value) => `snapshot:${value}` });
    const child = integer("child", [image]);
    await world.solve(child);
    const again = await world.solve(child, { ignoreCache: (name) => name === "image" });
    expect(again).toMatchObject({ value: 1, ran: ["image"], cached: { child: "definition" } });
    expect((await world.solve(child)).ran).toEqual([]);
    // However often it is done, the result does not pile up keys.
    expect(world.storage.keysOf("snapshot:1" as ResultId)).toHaveLength(1);
  });

  test("by metadata is the same as by request", async () => {
    await world.solve(integer("dice", [three], fresh));
    roll = 5;
    const forced = integer("dice", [three], { ...fresh, ignoreCache: true });
    expect(await world.solve(forced)).toMatchObject({ value: 5, ran: ["dice"] });
    expect(await world.solve(dice)).toMatchObject({ value: 5, ran: [] });
  });

  test("of a first build is found later", async () => {
    await world.solve(after, onlyDice);
    expect(await world.solve(after)).toMatchObject({ value: 1, ran: [] });
  });
});

describe("--no-cache", () => {
  const all = { ignoreCache: () => true };

  test("runs everything each time, and the last time counts", async () => {
    for (const value of [1, 2, 3]) {
      roll = value;
      const report = await world.solve(after, all);
      expect(report).toMatchObject({ value, ran: ["three", "dice", "after"], loads: 0 });
    }
    expect(await world.solve(after)).toMatchObject({ value: 3, ran: [] });
  });

  test("passes on to the op that the cache is ignored", async () => {
    const seen: boolean[] = [];
    const looks = integer("looks", [three], { wait: async ({ ignoreCache }) => void seen.push(ignoreCache) });
    await world.solve(looks);
    await world.solve(looks, all);
    expect(seen).toEqual([false, true]);
  });

  test("makes content known to later builds", async () => {
    await world.solve(copy, all);
    const other = integer("copy", [three, constant("one", 21)], copy.spec);
    expect(await world.solve(other)).toMatchObject({ value: 301, cached: { copy: "content" } });
  });
});

test("an input whose result stays the same saves the others from running", async () => {
  const image = constant("image", 1, { resultId: (value) => `snapshot:${value}` });
  const both = integer("both", [image, integer("heavy", [three])]);
  await world.solve(both);
  world.evict("heavy");
  const report = await world.solve(both, { ignoreCache: (name) => name === "image" });
  expect(report).toMatchObject({ value: 4, ran: ["image"], cached: { both: "definition" } });
});
