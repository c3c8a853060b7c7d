import { expect, test } from "vitest";
import { planCgroups } from "../src/cgroup.ts";

const v2 = { version: 2, mountPoint: "/cg", path: "/builder" } as const;
const v1 = {
  version: 1,
  hierarchies: [
    { controllers: ["memory"], mountPoint: "/cg/memory", path: "/ci/job" },
    { controllers: ["cpu", "cpuacct"], mountPoint: "/cg/cpu", path: "/" },
    { controllers: ["pids"], mountPoint: "/cg/pids", path: "/" },
  ],
} as const;
const limits = { memory: { limit: 100, swap: 100 }, cpu: { quota: 50, period: 100 } };

test("no limits, no groups", () => {
  expect(planCgroups(v2, "tsbuild/a", {})).toEqual([]);
  expect(planCgroups({ version: 0 }, "tsbuild/a", limits)).toEqual([]);
});

test("v2: every parent hands the controllers down; relative to the builder's own group", () => {
  const enable = [
    { file: "cgroup.subtree_control", value: "+memory" },
    { file: "cgroup.subtree_control", value: "+cpu" },
  ];
  expect(planCgroups(v2, "tsbuild/a", limits)).toEqual([
    {
      parents: ["/cg", "/cg/builder", "/cg/builder/tsbuild"].map((path) => ({ path, settings: enable })),
      path: "/cg/builder/tsbuild/a",
      settings: [
        { file: "memory.max", value: "100" },
        { file: "memory.swap.max", value: "0" },
        { file: "cpu.max", value: "50 100" },
      ],
      version: 2,
      hasMemory: true,
    },
  ]);
});

test("v1: one group in each tree that has a limit; absolute paths count from the tree's top", () => {
  const groups = planCgroups(v1, "/builds/a", limits);
  expect(groups.map(({ path, settings }) => ({ path, settings }))).toEqual([
    {
      path: "/cg/memory/builds/a",
      settings: [
        { file: "memory.limit_in_bytes", value: "100" },
        { file: "memory.memsw.limit_in_bytes", value: "100" },
      ],
    },
    {
      path: "/cg/cpu/builds/a",
      settings: [
        { file: "cpu.cfs_period_us", value: "100" },
        { file: "cpu.cfs_quota_us", value: "50" },
      ],
    },
  ]);
  const [relative] = planCgroups(v1, "tsbuild/a", limits);
  expect(relative?.path).toBe("/cg/memory/ci/job/tsbuild/a");
  expect(relative?.parents.map(({ path }) => path)).toEqual([
    "/cg/memory/ci",
    "/cg/memory/ci/job",
    "/cg/memory/ci/job/tsbuild",
  ]);
});
