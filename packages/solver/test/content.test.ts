import { constant, type IntegerSpec, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

const base = constant("base", 100);
/** Of its second input only the last digit counts. */
const copySpec: IntegerSpec = {
  key: "copy",
  compute: ([onto = 0, from = 0]) => onto + (from % 10),
  content: { 1: (value) => value % 10 },
};

test("whoever digests content is told when the vertex will run whatever it is", async () => {
  const told: (boolean | undefined)[] = [];
  const graph = (n: number, more: Partial<IntegerSpec> = {}) =>
    integer("copy", [base, constant("n", n)], {
      ...copySpec,
      contentWait: async ({ willRun }) => void told.push(willRun),
      ...more,
    });
  const ran = async (n: number, more: Partial<IntegerSpec> = {}) =>
    (await world.solve(graph(n, more))).ran.includes("copy");
  const runs = [await ran(13), await ran(23), await ran(24), await ran(34, { ignoreCache: true })];
  expect(runs).toEqual([true, false, true, true]);
  // What was built of this base before may be what is wanted now.
  expect(told).toEqual([true, false, false, true]);
});

describe("a changed parent with the same content", () => {
  const graph = (n: number) => {
    const builder = integer("builder", [constant("n", n)]);
    return integer("next", [integer("copy", [base, builder], copySpec)]);
  };

  test("runs the parent and nothing behind it", async () => {
    expect((await world.solve(graph(13))).value).toBe(103);
    const changed = await world.solve(graph(23));
    expect(changed).toMatchObject({ value: 103, ran: ["n", "builder"], loads: 1 });
    expect(changed.cached).toEqual({ base: "definition", copy: "content", next: "content" });
  });

  test("is found by definition the next time, without a look at any content", async () => {
    await world.solve(graph(13));
    await world.solve(graph(23));
    const digests = world.digests.get("copy");
    const again = await world.solve(graph(23));
    expect(again).toMatchObject({ value: 103, ran: [], loads: 1 });
    expect(again.cached).toEqual({
      base: "definition",
      n: "definition",
      builder: "definition",
      copy: "definition",
      next: "definition",
    });
    expect(world.digests.get("copy")).toBe(digests);
  });

  test("with other content it runs", async () => {
    await world.solve(graph(13));
    const report = await world.solve(graph(24));
    expect(report).toMatchObject({ value: 104, ran: ["n", "builder", "copy", "next"] });
  });

  test("going back finds the first result by definition", async () => {
    for (const n of [13, 24]) await world.solve(graph(n));
    expect(await world.solve(graph(13))).toMatchObject({ value: 103, ran: [] });
  });

  test("content does not make up for another base", async () => {
    await world.solve(integer("copy", [base, constant("n", 13)], copySpec));
    const other = await world.solve(integer("copy", [constant("base2", 200), constant("m", 23)], copySpec));
    expect({ value: other.value, ran: other.ran.toSorted() }).toEqual({
      value: 203,
      ran: ["base2", "copy", "m"],
    });
  });
});

describe("a source that only its content identifies", () => {
  const context = (value: number) =>
    constant("context", value, { key: "context", contentOnly: true, cheap: true });
  const graph = (value: number) => {
    const first = integer("copy1", [base, context(value)], { ...copySpec, key: "copy1" });
    const run = integer("run", [first]);
    const tens: IntegerSpec = {
      compute: ([a = 0, b = 0]) => a + b,
      content: { 1: (n) => Math.floor(n / 10) },
    };
    return integer("end", [integer("copy2", [run, context(value)], { ...tens, key: "copy2" })]);
  };

  test("is read in each solve, and all the rest is cached", async () => {
    await world.solve(graph(42));
    const report = await world.solve(graph(42));
    expect(report).toMatchObject({ ran: ["context"], loads: 1 });
    expect(report.cached).toEqual({
      base: "definition",
      copy1: "content",
      run: "content",
      copy2: "content",
      end: "content",
    });
  });

  test("is no rebuilt work", async () => {
    const report = await world.solve(graph(42));
    expect(report.reasons).not.toHaveProperty("context");
    const end = report.events.filter((event) => event.type === "vertex-completed");
    const closed = end.find((event) => event.vertex === context(42).digest);
    expect(closed).toMatchObject({ reason: undefined });
  });

  test("a change reruns from the first step that uses it", async () => {
    await world.solve(graph(42));
    const units = await world.solve(graph(43));
    expect(units.ran).toEqual(["context", "copy1", "run", "copy2", "end"]);
    const tens = await world.solve(graph(53));
    expect(tens.ran).toEqual(["context", "copy2", "end"]);
  });

  test("writes nothing when nothing has changed", async () => {
    await world.solve(graph(42));
    let saves = 0;
    const save = world.storage.save.bind(world.storage);
    world.storage.save = (entry) => {
      saves++;
      save(entry);
    };
    await world.solve(graph(42));
    expect(saves).toBe(0);
  });

  test("used as a whole nothing can be recorded of what follows", async () => {
    const whole = integer("whole", [context(5)]);
    const after = integer("after", [whole]);
    for (const _ of [1, 2]) {
      const report = await world.solve(after);
      expect(report.ran).toEqual(["context", "whole", "after"]);
      expect(report.reasons["whole"]?.kind).toBe("not-cacheable");
    }
  });

  test("used as a whole, a later step may still count by content", async () => {
    const whole = integer("whole", [context(5)]);
    const graph = integer("copy", [base, whole], copySpec);
    await world.solve(graph);
    const report = await world.solve(graph);
    expect(report.ran).toEqual(["context", "whole"]);
    expect(report.cached).toEqual({ base: "definition", copy: "content" });
  });
});

describe("several keys", () => {
  test("two contents, both counted", async () => {
    const both: IntegerSpec = { key: "both", content: { 0: (n) => n % 10, 1: (n) => n % 10 } };
    const graph = (a: number, b: number) =>
      integer("both", [constant("a", a), constant("b", b)], {
        ...both,
        compute: ([x = 0, y = 0]) => (x % 10) + (y % 10),
      });
    expect((await world.solve(graph(1, 2))).value).toBe(3);
    expect(await world.solve(graph(11, 2))).toMatchObject({ value: 3, cached: { both: "content" } });
    expect(await world.solve(graph(1, 12))).toMatchObject({ value: 3, cached: { both: "content" } });
    expect(await world.solve(graph(21, 22))).toMatchObject({ value: 3, cached: { both: "content" } });
    expect((await world.solve(graph(2, 1))).value).toBe(3);
    expect(world.runs.get("both")).toBe(2);
    // Keys were linked one by one; together they are known now.
    expect(await world.solve(graph(11, 12))).toMatchObject({ value: 3, ran: [] });
  });

  test("the other keys of an equal result are tried by children", async () => {
    const parent = (name: string) => constant(name, 7, { resultId: () => "snapshot:7" });
    await world.solve(integer("child", [parent("one")], { key: "child" }));
    const report = await world.solve(integer("child", [parent("two")], { key: "child" }));
    expect(report).toMatchObject({ value: 7, ran: ["two"], cached: { child: "definition" } });
  });

  test("a key counts only when every input leads to it", async () => {
    const graph = (a: number, b: number) =>
      integer("sum", [constant("a", a), constant("b", b)], { key: "sum" });
    await world.solve(graph(1, 2));
    await world.solve(graph(3, 4));
    expect(await world.solve(graph(1, 4))).toMatchObject({ value: 5, ran: ["sum"] });
    expect(await world.solve(graph(3, 2))).toMatchObject({ value: 5, ran: ["sum"] });
  });
});

describe("a definition that does not always give the same", () => {
  test("content decides, not what the definition once gave", async () => {
    let n = 1;
    const dice = integer("dice", [], { compute: () => n });
    const graph = integer("copy", [base, dice], copySpec);
    await world.solve(graph);
    world.evict("dice", "copy");
    n = 2;
    expect(await world.solve(graph)).toMatchObject({ value: 102 });
    // The key made of content 1 must not lead to what was computed from content 2.
    const one = integer("copy", [base, constant("one", 1)], copySpec);
    expect(await world.solve(one)).toMatchObject({ value: 101 });
    const two = integer("copy", [base, constant("two", 2)], copySpec);
    expect(await world.solve(two)).toMatchObject({ value: 102, cached: { copy: "content" } });
  });
});
