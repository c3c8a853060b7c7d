import { setImmediate as turn } from "node:timers/promises";
import { jobLimit, type OpContext } from "@tsbuild/solver";
import { constant, gate, type IntegerVertex, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

/** Vertices that note how many of them are at work at once. */
function workers(count: number, cheap = false) {
  const seen = { now: 0, most: 0 };
  const vertices = Array.from({ length: count }, (_, i) =>
    integer(`worker${i}`, [], {
      cheap,
      wait: async () => {
        seen.most = Math.max(seen.most, ++seen.now);
        await turn();
        seen.now--;
      },
    }),
  );
  return { seen, vertices };
}

describe("jobs", () => {
  test.each([1, 3])("at most %i at once", async (jobs) => {
    const { seen, vertices } = workers(10);
    await world.solve(integer("top", vertices), { jobs });
    expect(seen.most).toBe(jobs);
  });

  test("cheap ones do not count", async () => {
    const { seen, vertices } = workers(10, true);
    await world.solve(integer("top", vertices), { jobs: 1 });
    expect(seen.most).toBe(10);
  });

  test("one limit may serve several solves", async () => {
    const { seen, vertices } = workers(10);
    const jobs = jobLimit(2);
    await Promise.all(vertices.map((vertex) => world.solve(vertex, { jobs })));
    expect(seen.most).toBe(2);
  });

  test("waiting for somebody else's work takes no slot", async () => {
    const hold = gate();
    const same = (name: string) => integer(name, [], { key: "same", wait: hold.wait });
    const holder = world.solve(same("holder"));
    await hold.reached;
    const other = integer("other");
    const waits = world.solve(integer("top", [same("waiter"), other]), { jobs: 1 });
    while (world.runs.get("other") === undefined) await turn();
    hold.open();
    await holder;
    expect((await waits).ran).toEqual(["other", "top"]);
  });
});

describe("independent steps run side by side", () => {
  /** Both at work at once, or the test would wait for ever. */
  const meeting = (count: number) => {
    const all = gate();
    let here = 0;
    return async (context: OpContext) => {
      if (++here === count) all.open();
      await all.wait(context);
    };
  };

  test("a stage that is copied from, and the new stage that it is copied to", async () => {
    const wait = meeting(2);
    const builder = integer("builder", [], { wait });
    const onto = integer("onto", [constant("base", 1)], { wait });
    const copy = integer("copy", [onto, builder], { content: { 1: (n) => n } });
    expect((await world.solve(integer("top", [copy]))).ran).toHaveLength(5);
    expect(world.digests.get("copy")).toBe(1);
  });

  test("the same, deep in a chain, with a base that is cached", async () => {
    const base = constant("base", 1);
    await world.solve(base);
    const wait = meeting(3);
    const step = (name: string, from: IntegerVertex) => integer(name, [from], { wait });
    const one = integer("copy1", [base, step("one", constant("a", 1))], { content: { 1: (n) => n } });
    const two = integer("copy2", [one, step("two", constant("b", 2))], { content: { 1: (n) => n } });
    const three = integer("copy3", [two, step("three", constant("c", 3))], { content: { 1: (n) => n } });
    expect((await world.solve(three)).value).toBe(7);
  });

  test("a stage that is copied from, and an ignored one that it is copied to", async () => {
    const wait = meeting(2);
    const builder = integer("builder", [], { wait });
    const onto = integer("onto", [constant("base", 1)], { wait });
    const copy = integer("copy", [onto, builder], { content: { 1: (n) => n } });
    const report = await world.solve(copy, { ignoreCache: (name) => name === "onto" });
    expect(report.value).toBe(1);
  });
});

describe("steps begin in the order of the graph", () => {
  /** As a Dockerfile whose last stage copies from each of the others in turn: `copy0` is the input of `copy1`, and so on. */
  function fanOut(count: number): IntegerVertex {
    const base = constant("base", 1, { cheap: true });
    let onto: IntegerVertex = base;
    for (let i = 0; i < count; i++) {
      const stage = integer(`s${i}`, [base]);
      onto = integer(`copy${i}`, [onto, stage], { cheap: true, content: { 1: (n) => n } });
    }
    return onto;
  }
  const stages = (ran: readonly string[]) => ran.filter((name) => name.startsWith("s"));
  const inOrder = Array.from({ length: 8 }, (_, i) => `s${i}`);

  test.each([1, 3, 16])("stages that one after the other is copied from, %i at once", async (jobs) => {
    expect(stages((await world.solve(fanOut(8), { jobs })).ran)).toEqual(inOrder);
  });

  test("a base that is cached", async () => {
    await world.solve(constant("base", 1, { cheap: true }));
    expect(stages((await world.solve(fanOut(8), { jobs: 16 })).ran)).toEqual(inOrder);
  });

  test("one that becomes ready late goes before those behind it that still wait", async () => {
    const hold = gate();
    const first = integer("first", [], { wait: hold.wait });
    const after = integer("after", [first]);
    const rest = ["a", "b", "c"].map((name) => integer(name));
    const solving = world.solve(integer("top", [after, ...rest]), { jobs: 1 });
    await hold.reached;
    hold.open();
    expect((await solving).ran).toEqual(["first", "after", "a", "b", "c", "top"]);
  });

  test("equal places of several solves are taken in the order in which they asked", async () => {
    const limit = jobLimit(1);
    const order: string[] = [];
    const note = (name: string, place: number) => limit(async () => order.push(name), place);
    await Promise.all([note("b", 1), note("c", 1), note("a", 0), note("d", 1)]);
    expect(order).toEqual(["a", "b", "c", "d"]);
  });

  test("what begins only when another has ended is told so", async () => {
    const limit = jobLimit(2);
    const told: [string, boolean][] = [];
    const work = (name: string, place: number) =>
      limit(async (waited) => {
        told.push([name, waited]);
        await new Promise((resolve) => setImmediate(resolve));
      }, place);
    await Promise.all([work("third", 3), work("first", 1), work("second", 2)]);
    await work("later", 4);
    expect(told).toEqual([
      ["first", false],
      ["second", false],
      ["third", true],
      ["later", false],
    ]);
  });

  test("a slot is free again after a failure", async () => {
    const limit = jobLimit(1);
    const fails = limit(() => Promise.reject(new Error("broken")), 0);
    const next = limit(async () => "ran", 1);
    await expect(fails).rejects.toThrow("broken");
    expect(await next).toBe("ran");
  });
});

describe("size", () => {
  test("a chain of 10,000 is solved without deep recursion", async () => {
    let chain: IntegerVertex = constant("first", 1);
    for (let i = 0; i < 10_000; i++) chain = integer(`v${i}`, [chain], { cheap: true });
    expect(await world.solve(chain)).toMatchObject({ value: 1 });
    const again = await world.solve(chain);
    expect({ ran: again.ran, loads: again.loads }).toEqual({ ran: [], loads: 1 });
  }, 300_000);
});

describe("describeWaiting", () => {
  test("says who waits for what", async () => {
    const hold = gate();
    const queued = integer("queued", [], { wait: hold.wait });
    const running = integer("running", [], { wait: hold.wait });
    const top = integer("top", [running, integer("middle", [queued])]);
    let describeWaiting: () => string = () => "";
    const solving = world.solve(top, {
      jobs: 1,
      onStart: (describe) => {
        describeWaiting = describe;
      },
    });
    await hold.reached;
    await turn();
    expect(describeWaiting().split("\n")).toEqual([
      "running: running, holds its lock, waits for its op",
      "queued: queued, holds its lock, waits for a job slot",
      "middle: joining, waits for its inputs; unfinished inputs: queued (queued)",
      "top: joining, waits for its inputs; unfinished inputs: running (running), middle (joining)",
    ]);
    hold.open();
    await solving;
    expect(describeWaiting()).toBe("");
  });

  test("names the lock", async () => {
    const hold = gate();
    const same = (name: string) => integer(name, [], { key: "same", wait: hold.wait });
    const holder = world.solve(same("holder"));
    await hold.reached;
    let describeWaiting: () => string = () => "";
    const waiter = world.solve(same("waiter"), {
      onStart: (describe) => {
        describeWaiting = describe;
      },
    });
    await turn();
    expect(describeWaiting()).toMatch(
      /^waiter: locking, waits for whoever does the same work now \(lock sha256:[0-9a-f]{12}\)$/,
    );
    hold.open();
    await Promise.all([holder, waiter]);
  });
});
