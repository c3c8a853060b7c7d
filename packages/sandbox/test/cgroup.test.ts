import { expect, test } from "vitest";
import { type CgroupSetting, planCgroups } from "../src/cgroup-plan.ts";

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

const withoutNames = (settings: readonly CgroupSetting[]) =>
  settings.map(({ file, value }) => ({ file, value }));

test("no limits, no groups", () => {
  expect(planCgroups(v2, "tsbuild/a", { resources: {}, always: false })).toEqual([]);
  expect(planCgroups({ version: 0 }, "tsbuild/a", { resources: limits, always: false })).toEqual([]);
});

test("v2: every parent hands the controllers down; relative to the builder's own group", () => {
  const enable = [
    { file: "cgroup.subtree_control", value: "+memory" },
    { file: "cgroup.subtree_control", value: "+cpu" },
  ];
  const plans = planCgroups(v2, "tsbuild/a", { resources: limits, always: false });
  expect(plans.map((plan) => ({ ...plan, settings: withoutNames(plan.settings) }))).toEqual([
    {
      parents: ["/cg", "/cg/builder", "/cg/builder/tsbuild"].map((path) => ({ path, settings: enable })),
      path: "/cg/builder/tsbuild/a",
      settings: [
        { file: "memory.max", value: "100" },
        { file: "memory.swap.max", value: "0" },
        { file: "cpu.max", value: "50 100" },
      ],
      version: 2,
      own: "/cg/builder",
      hasMemory: true,
      inherits: [],
    },
  ]);
});

test("v1: one group in each tree that has a limit; absolute paths count from the tree's top", () => {
  const groups = planCgroups(v1, "/builds/a", { resources: limits, always: false });
  expect(groups.map(({ path, settings }) => ({ path, settings: withoutNames(settings) }))).toEqual([
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
  const [relative] = planCgroups(v1, "tsbuild/a", { resources: limits, always: false });
  expect(relative?.path).toBe("/cg/memory/ci/job/tsbuild/a");
  expect(relative?.parents.map(({ path }) => path)).toEqual([
    "/cg/memory/ci",
    "/cg/memory/ci/job",
    "/cg/memory/ci/job/tsbuild",
  ]);
});

test("v2: weights, sets of processors, unlimited ones", () => {
  const resources = {
    memory: { limit: 100, swap: -1 },
    cpu: { shares: 1024, cpus: "0-1", mems: "0" },
    pids: { limit: -1 },
  };
  const [plan] = planCgroups(v2, "tsbuild/a", { resources, always: false });
  expect(withoutNames(plan?.settings ?? [])).toEqual([
    { file: "memory.max", value: "100" },
    { file: "memory.swap.max", value: "max" },
    { file: "cpu.weight", value: "39" },
    { file: "cpuset.cpus", value: "0-1" },
    { file: "cpuset.mems", value: "0" },
    { file: "pids.max", value: "max" },
  ]);
});

test("a parent that somebody named gets a group also without limits", () => {
  const request = { resources: {}, always: true };
  expect(planCgroups(v2, "/jobs/a", request).map(({ path, settings }) => [path, settings])).toEqual([
    ["/cg/jobs/a", []],
  ]);
  expect(planCgroups(v1, "/jobs/a", request)).toHaveLength(3);
});
