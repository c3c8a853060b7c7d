import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StepCgroups } from "../src/cgroup.ts";
import { planCgroups, unplacedLimits } from "../src/cgroup-plan.ts";
import { refusalLines } from "../src/refused-limits.ts";

const limits = { memory: { limit: 100, swap: 100 }, pids: { limit: 5 }, cpu: { cpus: "0" } };
const REASON = expect.stringMatching(/^(this machine has no|this user may not write to)$/);
const everything = { ...limits, memory: { limit: 100, swap: 200 } };

test("a controller that is mounted nowhere leaves its limits out, and says so in one line", () => {
  const layout = {
    version: 1,
    hierarchies: [{ controllers: ["memory"], mountPoint: "/cg/memory", path: "/" }],
  } as const;
  const unplaced = unplacedLimits(layout, limits);
  expect(refusalLines({ resources: limits, unplaced, refused: [] })).toEqual([
    "steps run without the limits of cpuset-cpus and pids: this machine has no control group for it",
  ]);
  expect(unplacedLimits({ version: 0 }, everything)).toEqual([
    "memory",
    "memory-swap",
    "cpuset-cpus",
    "pids",
  ]);
  expect(unplacedLimits({ version: 2, mountPoint: "/cg", path: "/" }, limits)).toEqual([]);
});

test("swap that nobody limited by itself is no loss", () => {
  const refused = [{ limit: "memory-swap", reason: "this machine has no", path: "/x" }] as const;
  expect(refusalLines({ resources: limits, unplaced: [], refused })).toEqual([]);
  expect(refusalLines({ resources: everything, unplaced: [], refused })).toEqual([
    "steps run without the limit of memory-swap: this machine has no /x",
  ]);
});

test("a group that takes everything refuses nothing", async () => {
  const mountPoint = mkdtempSync(join(tmpdir(), "tsbuild-cgroup-"));
  const groups = new StepCgroups(
    planCgroups({ version: 2, mountPoint, path: "/" }, "tsbuild/a", { resources: limits, always: false }),
  );
  expect(groups.refused).toEqual([]);
  expect(readFileSync(join(mountPoint, "tsbuild/a/pids.max"), "utf8")).toBe("5");
  rmSync(mountPoint, { recursive: true });
});

test("a group that cannot be made takes all limits of its hierarchy with it", () => {
  const missing = "/proc/self/fdinfo/none";
  const groups = new StepCgroups(
    planCgroups({ version: 2, mountPoint: missing, path: "/" }, "tsbuild/a", {
      resources: limits,
      always: false,
    }),
  );
  expect(groups.joinFiles).toEqual([]);
  expect(new Set(groups.refused.map(({ limit }) => limit))).toEqual(
    new Set(["memory", "memory-swap", "cpuset-cpus", "pids"]),
  );
  expect(groups.refused[0]).toMatchObject({ reason: REASON, path: "/proc/self/fdinfo/none/tsbuild" });
  expect(refusalLines({ resources: limits, unplaced: [], refused: groups.refused })).toHaveLength(1);
});
