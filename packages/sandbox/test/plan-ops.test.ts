import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generatePlanOps } from "../../../native/sandbox/generate.ts";

test("plan-ops.ts is what native/plan.def generates", () => {
  const committed = readFileSync(new URL("../src/plan-ops.ts", import.meta.url), "utf8");
  expect(committed).toBe(generatePlanOps());
});
