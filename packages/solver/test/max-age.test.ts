import { constant, IntegerWorld, integer } from "@tsbuild/testkit";
import { expect, test } from "vitest";

test("a record that is too old counts as little as none, for what was computed from it too", async () => {
  const world = new IntegerWorld();
  const step = integer("step", [constant("n", 1)]);
  const child = integer("child", [step]);
  await world.solve(child);
  const fresh = await world.solve(child, {
    maxAge: (name) => (name === "step" ? { ms: 60_000, text: "older" } : undefined),
  });
  expect(fresh.ran).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const old = await world.solve(child, {
    maxAge: (name) => (name === "step" ? { ms: 1, text: "older than that" } : undefined),
  });
  expect(old.ran).toEqual(["step", "child"]);
  expect(old.reasons["step"]).toEqual({ kind: "no-cache", text: "older than that" });
  expect((await world.solve(child)).ran).toEqual([]);
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});
