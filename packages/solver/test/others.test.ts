import { TsbuildError } from "@tsbuild/base";
import { constant, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

/** As a Dockerfile's platforms: a stage that all have in common, and one of its own for each. */
function platforms(wait?: () => Promise<void>) {
  const shared = integer("shared", [constant("source", 3)]);
  const [amd, arm] = ["amd", "arm"].map((name, at) =>
    integer(name, [shared, constant(`base-${name}`, at)], { wait }),
  );
  if (amd === undefined || arm === undefined) throw new Error("two platforms");
  return { shared, amd, arm };
}

describe("several results in one solve", () => {
  test("come out in their order, and what they share runs once", async () => {
    const { amd, arm } = platforms();
    const report = await world.solve(amd, { others: [arm, null, amd] });
    expect(report).toMatchObject({ value: 3, otherValues: [4, null, 3] });
    expect(Object.fromEntries(world.runs)).toEqual({
      source: 1,
      shared: 1,
      "base-amd": 1,
      "base-arm": 1,
      amd: 1,
      arm: 1,
    });
    expect((await world.solve(amd, { others: [arm] })).ran).toEqual([]);
  });

  test("are computed at the same time", async () => {
    let waiting = 0;
    const both = Promise.withResolvers<void>();
    const { amd, arm } = platforms(async () => {
      waiting += 1;
      if (waiting === 2) both.resolve();
      await both.promise;
    });
    expect(await world.solve(amd, { others: [arm] })).toMatchObject({ value: 3, otherValues: [4] });
  });

  test("fail together: one that fails cancels the others, and nothing is left held", async () => {
    const { shared, arm } = platforms();
    const broken = integer("broken", [shared], {
      compute: () => {
        throw new TsbuildError("TSB_EXEC", "no");
      },
    });
    const endless = integer("endless", [shared], {
      wait: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
          if (signal.aborted) reject(signal.reason);
        }),
    });
    await expect(world.solve(arm, { others: [broken, endless] })).rejects.toMatchObject({ code: "TSB_EXEC" });
    await expect(world.solve(endless, { others: [broken] })).rejects.toMatchObject({ code: "TSB_EXEC" });
  });
});
