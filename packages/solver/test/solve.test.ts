import { sha256 } from "@tsbuild/base";
import { solve } from "@tsbuild/solver";
import { constant, gate, type IntegerSpec, IntegerWorld, integer, integerGraph } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

const three = constant("three", 3);
const four = constant("four", 4);

describe("by definition", () => {
  test("scratch is null and asks nothing", async () => {
    const report = await world.solve(null);
    expect(report).toMatchObject({ value: null, ran: [], cached: {}, loads: 0 });
  });

  test("everything runs once, inputs first, and then nothing runs", async () => {
    const result = integer("sum", [three, four]);
    const first = await world.solve(result);
    expect(first).toMatchObject({ value: 7, cached: {}, loads: 0 });
    expect(first.ran.toSorted()).toEqual(["four", "sum", "three"]);
    expect(first.ran.at(-1)).toBe("sum");
    const second = await world.solve(result);
    expect(second).toMatchObject({ value: 7, ran: [], loads: 1 });
    expect(second.cached).toEqual({ three: "definition", four: "definition", sum: "definition" });
  });

  test("a vertex that two others use runs once", async () => {
    const shared = integer("shared", [three]);
    const result = integer("sum", [integer("left", [shared]), integer("right", [shared]), shared]);
    const report = await world.solve(result);
    expect(report.value).toBe(9);
    expect(world.runs.get("shared")).toBe(1);
    expect(world.runs.get("three")).toBe(1);
  });

  test("what the result does not need is not even looked at", async () => {
    const graph = integerGraph(integer("sum", [three, four]));
    const asked: string[] = [];
    const { ref } = await solve({
      graph: { ...graph, result: { digest: four.digest, index: 0 } },
      resolveOp: ({ metadata }) => {
        asked.push(metadata.name ?? "");
        return {
          cacheMap: async () => ({ digest: sha256("four"), inputs: [], fields: [] }),
          run: async () => [world.results.create(4)],
        };
      },
      storage: world.storage,
      locks: world.locks,
      jobs: 1,
      signal: new AbortController().signal,
      emit: () => {},
    });
    ref?.release();
    expect(asked).toEqual(["four"]);
  });

  test("a changed source runs again with all that follows from it, and nothing else", async () => {
    const graph = (value: number) =>
      integer("total", [integer("double", [constant("n", value)]), integer("other", [three])]);
    await world.solve(graph(1));
    const report = await world.solve(graph(2));
    expect(report.value).toBe(5);
    expect(report.ran).toEqual(["n", "double", "total"]);
    expect(report.cached).toEqual({ three: "definition", other: "definition" });
    expect(await world.solve(graph(1))).toMatchObject({ value: 4, ran: [] });
  });

  test("an input that hits is loaded, its own inputs are not", async () => {
    const middle = integer("middle", [integer("deep", [three])]);
    await world.solve(middle);
    const report = await world.solve(integer("top", [middle]));
    expect(report).toMatchObject({ value: 3, ran: ["top"], loads: 1 });
    expect(report.cached).toEqual({ three: "definition", deep: "definition", middle: "definition" });
  });

  test("swapped inputs are other work (testFileOpInputSwap)", async () => {
    const minus: IntegerSpec = { key: "minus", compute: ([a = 0, b = 0]) => a - b };
    expect((await world.solve(integer("minus", [four, three], minus))).value).toBe(1);
    const swapped = await world.solve(integer("minus", [three, four], minus));
    expect(swapped).toMatchObject({ value: -1, ran: ["minus"] });
  });

  test("one input twice is not two inputs", async () => {
    const key = { key: "sum" };
    expect((await world.solve(integer("sum", [three, three], key))).value).toBe(6);
    expect((await world.solve(integer("sum", [three, four], key))).value).toBe(7);
    expect((await world.solve(integer("sum", [three], key))).value).toBe(3);
  });

  test("another selector of the same input is other work", async () => {
    const at = (selector: string, value: number) =>
      integer("copy", [three], { key: "copy", selectors: { 0: selector }, compute: () => value });
    await world.solve(at("/a", 1));
    // Vertex digests come from marshalled bytes, in which selectors are; here the name stands for them.
    const other = await world.solve({ ...at("/b", 2), digest: three.digest.replace(/.$/, "f") as never });
    expect(other).toMatchObject({ value: 2, ran: ["copy"] });
  });
});

describe("outputs", () => {
  const pair = integer("pair", [three], { compute: ([n = 0]) => [n, n * 10] });

  test("each output is its own result of one run", async () => {
    const report = await world.solve(integer("sum", [pair, [pair, 1]]));
    expect(report.value).toBe(33);
    expect(world.runs.get("pair")).toBe(1);
    expect(await world.solve(pair, { output: 1 })).toMatchObject({ value: 30, ran: [] });
    expect(await world.solve(pair, { output: 0 })).toMatchObject({ value: 3, ran: [] });
  });

  test("outputs that nobody asked for are recorded too", async () => {
    await world.solve(pair, { output: 0 });
    expect(await world.solve(pair, { output: 1 })).toMatchObject({ value: 30, ran: [] });
  });

  test("consumers of two outputs are told apart", async () => {
    const first = integer("next", [pair], { key: "next" });
    const second = integer("next", [[pair, 1]], { key: "next" });
    expect((await world.solve(first)).value).toBe(3);
    expect(await world.solve(second)).toMatchObject({ value: 30, ran: ["next"] });
  });

  test("an op with fewer outputs than are used fails, and leaks nothing", async () => {
    await expect(world.solve(integer("next", [[three, 2]]))).rejects.toThrow(/returned 1 outputs/);
  });
});

describe("equal work of different vertices", () => {
  test("in one solve it runs once", async () => {
    const left = integer("left", [three], { key: "same" });
    const right = integer("right", [three], { key: "same" });
    const report = await world.solve(integer("sum", [left, right]));
    expect(report.value).toBe(6);
    expect((world.runs.get("left") ?? 0) + (world.runs.get("right") ?? 0)).toBe(1);
  });

  test("in solves side by side it runs once", async () => {
    const reports = await Promise.all(
      Array.from({ length: 5 }, (_, i) =>
        world.solve(integer(`top${i}`, [integer(`same${i}`, [three], { key: "same" })])),
      ),
    );
    expect(reports.map((report) => report.value)).toEqual([3, 3, 3, 3, 3]);
    expect(world.runs.get("three")).toBe(1);
    const runs = [0, 1, 2, 3, 4].map((i) => world.runs.get(`same${i}`) ?? 0);
    expect(runs.reduce((a, b) => a + b)).toBe(1);
  });

  test("whoever waits for another's same work for long says so", async () => {
    const slow = gate();
    const same = () => integer("same", [three], { key: "same", wait: slow.wait });
    const first = world.solve(same());
    await slow.reached;
    const notes: string[] = [];
    const second = world.solve(same(), {
      onEvent: (event) => {
        if (event.type !== "log") return;
        notes.push(new TextDecoder().decode(event.data));
        slow.open();
      },
    });
    const reports = await Promise.all([first, second]);
    expect(reports.map(({ value }) => value)).toEqual([3, 3]);
    expect(notes).toEqual(["tsbuild: waits for another step or build that does the same work\n"]);
  });
});
