import type { ResultId } from "@tsbuild/solver";
import { constant, gate, type IntegerVertex, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

const three = constant("three", 3);
const middle = integer("middle", [three]);
const top = integer("top", [middle]);

test("an evicted result is computed again from inputs that are still there", async () => {
  await world.solve(top);
  world.evict("top");
  const report = await world.solve(top);
  expect(report).toMatchObject({ value: 3, ran: ["top"] });
  expect(report.reasons["top"]).toEqual({ kind: "evicted", text: "evicted" });
  expect(report.cached).toEqual({ three: "definition", middle: "definition" });
  expect(await world.solve(top)).toMatchObject({ value: 3, ran: [] });
});

test("an evicted result in the middle is not missed", async () => {
  await world.solve(top);
  world.evict("middle", "three");
  expect(await world.solve(top)).toMatchObject({ value: 3, ran: [], loads: 1 });
});

test("everything gone runs everything once", async () => {
  await world.solve(top);
  world.evict("three", "middle", "top");
  expect((await world.solve(top)).ran).toEqual(["three", "middle", "top"]);
});

test("children of a result that was made again are still found", async () => {
  await world.solve(top);
  world.evict("middle");
  await world.solve(integer("other", [middle]));
  expect(world.runs.get("middle")).toBe(2);
  expect(await world.solve(top)).toMatchObject({ ran: [], value: 3 });
});

test("an older record serves when the newest result is gone", async () => {
  await world.solve(three);
  const [record] = world.storage.records(world.storage.keysOf("result-1" as ResultId)[0]!);
  const newer = world.results.create(3);
  world.storage.save({
    links: [],
    records: [{ ...record!, result: newer.id!, createdAt: record!.createdAt + 1 }],
  });
  newer.release();
  expect(await world.solve(three)).toMatchObject({ ran: [], loads: 1 });
  world.results.evict(newer.id!);
  expect(await world.solve(three)).toMatchObject({ value: 3, ran: [], loads: 2 });
});

test("what follows an evicted step that only its content identifies is found", async () => {
  const context = constant("context", 7, { contentOnly: true });
  const copy = integer("copy", [three, context], { content: { 1: (n) => n } });
  const run = integer("run", [copy]);
  await world.solve(run);
  world.forget("copy");
  expect(await world.solve(run)).toMatchObject({ value: 10, ran: ["context"], loads: 1 });
});

test("what follows a forgotten step is found, and the step keeps its key when it is made again", async () => {
  await world.solve(top);
  world.forget("middle");
  expect(await world.solve(top)).toMatchObject({ value: 3, ran: [], loads: 1 });
  const remade = await world.solve(integer("other", [middle]));
  expect(remade.ran).toEqual(["middle", "other"]);
  expect(remade.reasons["middle"]).toEqual({ kind: "evicted", text: "evicted" });
  expect((await world.solve(top)).ran).toEqual([]);
});

test("a result that another step had made and that is gone is called evicted", async () => {
  await world.solve(integer("one", [three], { key: "same" }));
  world.evict("one");
  world.evict("three");
  const named = (name: string) => constant(name, 3, { key: "three=3" });
  const report = await world.solve(integer("two", [named("drei")], { key: "same" }));
  const evicted = { kind: "evicted", text: "evicted" };
  expect(report.reasons).toEqual({ drei: evicted, two: evicted });
});

test("of two results in reach the newest counts", async () => {
  let n = 1;
  const dice = integer("dice", [], { compute: () => n });
  const copy = integer("copy", [three, dice], { content: { 1: (value) => value } });
  expect((await world.solve(copy)).value).toBe(4);
  const first = world.recordOf("copy").result;
  world.evict("dice", "copy");
  n = 2;
  expect((await world.solve(copy)).value).toBe(5);
  world.results.create(4, first).release();
  expect(await world.solve(copy)).toMatchObject({ value: 5, ran: [] });
});

test("one of two outputs gone runs the vertex, so that both stem from one run", async () => {
  const pair = integer("pair", [three], { compute: ([n = 0]) => [n, n * 10] });
  const sum = integer("sum", [pair, [pair, 1]]);
  await world.solve(sum);
  world.evict("sum", "pair");
  expect(await world.solve(sum)).toMatchObject({ value: 33, ran: ["pair", "sum"] });
});

test("a step that was shown as cached, and is gone when it is needed after all, is opened again", async () => {
  const left = integer("left", [middle]);
  const rightOf = (input: IntegerVertex) => integer("right", [input, middle], { content: { 0: (n) => n } });
  await world.solve(integer("before", [left, rightOf(constant("quick", 2))]));
  world.evict("middle");
  const hold = gate();
  const slow = integer("slow", [], { wait: hold.wait, compute: () => 1 });
  // `left` hits at once and `middle` with it; `right` was built on `middle`, so it joins it only when it has looked at `slow`.
  const solving = world.solve(integer("both", [left, rightOf(slow)]));
  await hold.reached;
  hold.open();
  const report = await solving;
  expect(report).toMatchObject({ value: 7, ran: ["slow", "middle", "right", "both"] });
  const seen = report.events.flatMap((event) => {
    const digest = event.type === "vertex-started" ? event.vertex.digest : "vertex" in event && event.vertex;
    return digest === middle.digest ? [event.type] : [];
  });
  expect(seen).toEqual(["vertex-started", "vertex-cached", "vertex-started", "vertex-completed"]);
});
