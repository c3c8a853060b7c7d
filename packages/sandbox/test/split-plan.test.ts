import { compilePlan, type ExecSpec, type PlanOp, planLine, toRuntimeSpec } from "@tsbuild/sandbox";
import { expect, test } from "vitest";
import { splitPlan } from "../src/split-plan.ts";
import { execSpec, host } from "./support/spec.ts";

function plan(changes: Partial<ExecSpec> = {}, group?: string) {
  return compilePlan(toRuntimeSpec(execSpec(changes), host), { host, cgroupFiles: [], group });
}

const bind = { type: "bind", fd: 21, sourcePath: "", kind: "folder", dest: "/m", readonly: true } as const;

function text(ops: readonly PlanOp[]): string[] {
  return ops.map(planLine);
}

test("the first half is the same for all steps of a kind, and has nothing of a step's own", () => {
  const one = plan({ mounts: [bind], args: ["a"], env: ["SECRET=b"], cwd: "/c", hostname: "d" });
  const other = plan({ user: { uid: 1, gid: 2, additionalGids: [3] }, readonlyRoot: true });
  const [first, second] = [splitPlan(one), splitPlan(other)];
  expect(first?.ahead).toBeDefined();
  expect(second?.ahead).toBe(first?.ahead);
  expect(first?.ahead.plan.fds).toEqual([]);
  expect(splitPlan(plan({ network: "none" }))?.ahead).not.toBe(first?.ahead);
  expect(splitPlan(plan({ security: "insecure" }))?.ahead).not.toBe(first?.ahead);
});

test("both halves together do what the plan does, the system's mounts on a staged root", () => {
  const whole = plan({ mounts: [bind], readonlyRoot: true });
  const split = splitPlan(whole);
  const added = [
    "stage folders=[/proc /dev /sys]",
    "await",
    "adopt path=/proc",
    "adopt path=/dev",
    "adopt path=/sys",
  ];
  const lines = text([...(split?.ahead.plan.ops ?? []), ...(split?.rest.ops ?? [])]);
  expect(text(split?.whole.ops ?? [])).toEqual(lines);
  expect(lines.toSorted()).toEqual([...text(whole.ops), ...added].toSorted());
  const order = [
    "clone",
    "stage",
    "mount type=proc",
    "mask",
    "await",
    "tree",
    "root",
    "adopt",
    "bind",
    "mount_attr path=/ ",
    "enter_root",
    "exec",
  ];
  const places = order.map((start) => lines.findIndex((line) => `${line} `.startsWith(start)));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test("a step with a group, a joined network, input or very many mounts has no first half", () => {
  expect(splitPlan(plan({}, "/sys/fs/cgroup/builder/step"))).toBeUndefined();
  expect(splitPlan(plan({ network: { fd: 30 } }))).toBeUndefined();
  expect(splitPlan({ ...plan(), stdio: "input" })).toBeUndefined();
  const mounts = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...bind, fd: 21 + i, dest: `/m${i}` }));
  expect(splitPlan(plan({ mounts: mounts(21) }))).toBeDefined();
  expect(splitPlan(plan({ mounts: mounts(22) }))).toBeUndefined();
});
