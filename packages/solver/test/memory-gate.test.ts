import { setImmediate as turn } from "node:timers/promises";
import { MemoryGate, type MemoryGauge } from "@tsbuild/solver";
import { gate, IntegerWorld, integer } from "@tsbuild/testkit";
import { describe, expect, test } from "vitest";

/** Vertices that each want some memory and note how much is taken at once. */
function hungry(wants: readonly number[]) {
  const seen = { now: 0, most: 0, together: 0, order: [] as string[] };
  let inside = 0;
  const vertices = wants.map((bytes, i) =>
    integer(`eats ${bytes} as ${i}`, [], {
      wait: async () => {
        seen.order.push(`${bytes}`);
        seen.now += bytes;
        seen.most = Math.max(seen.most, seen.now);
        seen.together = Math.max(seen.together, ++inside);
        for (let turns = 0; turns < 5; turns++) await turn();
        seen.now -= bytes;
        inside--;
      },
    }),
  );
  return { seen, vertices };
}

const wanted = (name: string) => Number(/^eats (\d+)/.exec(name)?.[1] ?? 0);
const gaugeOf = (bytes: number): MemoryGauge => ({ budgetBytes: () => bytes, isShort: () => false });

async function solve(wants: readonly number[], gauge: MemoryGauge, jobs = 8) {
  const world = new IntegerWorld();
  const { seen, vertices } = hungry(wants);
  const report = await world.solve(integer("top", vertices), {
    jobs,
    memory: { gate: new MemoryGate(gauge), expected: wanted },
  });
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
  expect(report.ran).toHaveLength(wants.length + 1);
  return seen;
}

describe("memory-aware jobs", () => {
  test("steps run together as far as what they took before fits", async () => {
    const seen = await solve([4, 4, 4, 4, 4], gaugeOf(10));
    expect([seen.most, seen.together]).toEqual([8, 2]);
  });

  test("steps that were never measured count nothing, and the number of jobs still holds", async () => {
    expect((await solve([0, 0, 0, 0, 0], gaugeOf(1), 3)).together).toBe(3);
  });

  test("one that is larger than all there is runs, alone", async () => {
    const seen = await solve([100, 1, 1], gaugeOf(10));
    expect(seen.most).toBe(100);
  });

  test("a large one is not overtaken by small ones behind it", async () => {
    const seen = await solve([6, 9, 1, 1, 1, 1], gaugeOf(10));
    expect(seen.order.indexOf("9")).toBe(1);
  });

  test("when memory is short nothing begins beside what runs", async () => {
    const seen = await solve([1, 1, 1, 1], { budgetBytes: () => 100, isShort: () => true });
    expect(seen.together).toBe(1);
  });

  test("the budget is asked anew when nothing runs", async () => {
    let free = 100;
    const budget = { budgetBytes: () => (free -= 40), isShort: () => false };
    const enter = (memory: MemoryGate) => memory.enter(30, new AbortController().signal);
    const memory = new MemoryGate(budget);
    for (const leave of [await enter(memory), await enter(memory)]) leave();
    const first = await enter(memory);
    const second = enter(memory);
    expect(await Promise.race([second, turn("waits")])).toBe("waits");
    first();
    (await second)();
  });

  test("a step that waits for memory can be canceled, and the next gets its turn", async () => {
    const memory = new MemoryGate(gaugeOf(10));
    const leave = await memory.enter(6, new AbortController().signal);
    const controller = new AbortController();
    const large = memory.enter(9, controller.signal);
    const small = memory.enter(1, new AbortController().signal);
    controller.abort(new Error("enough"));
    await expect(large).rejects.toThrow("enough");
    (await small)();
    leave();
  });

  test("a failure and what waits for memory end the solve; the watchdog says what is waited for", async () => {
    const world = new IntegerWorld();
    const hold = gate();
    const slow = integer("eats 9 as slow", [], {
      wait: async (context) => {
        await hold.wait(context);
        throw new Error("broken");
      },
    });
    let describeWaiting = () => "";
    const solving = world.solve(integer("top", [slow, integer("eats 8 as late")]), {
      memory: { gate: new MemoryGate(gaugeOf(10)), expected: wanted },
      onStart: (describe) => {
        describeWaiting = describe;
      },
    });
    await hold.reached;
    await turn();
    expect(describeWaiting()).toContain("eats 8 as late: queued, holds its lock, waits for memory");
    hold.open();
    await expect(solving).rejects.toThrow("broken");
    expect(world.runs.has("eats 8 as late")).toBe(false);
    expect(world.leaks).toEqual({ refs: 0, locks: 0 });
  });
});
