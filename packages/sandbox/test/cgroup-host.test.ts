import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { StepCgroups } from "../src/cgroup.ts";
import { hostingGroup } from "../src/cgroup-host.ts";
import { removeOrphanedGroups } from "../src/cgroup-orphans.ts";
import { planCgroups } from "../src/cgroup-plan.ts";

const root = mkdtempSync(join(tmpdir(), "tsbuild-groups-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Folders that say what the kernel would. */
function group(path: string, { type = "domain", procs = "" }: { type?: string; procs?: string }): void {
  mkdirSync(join(root, path), { recursive: true });
  if (type !== "") writeFileSync(join(root, path, "cgroup.type"), `${type}\n`);
  writeFileSync(join(root, path, "cgroup.procs"), procs);
  writeFileSync(join(root, path, "cgroup.subtree_control"), "");
}

const OTHERS = "1\n";
const OURS = `${process.pid}\n`;

describe("where the groups of steps are made on version 2", () => {
  beforeEach(() => {
    rmSync(root, { recursive: true, force: true });
    group("/", { type: "", procs: OTHERS });
    group("/user.slice", {});
  });

  test("below a group that holds this process alone", () => {
    group("/user.slice/job", { procs: OURS });
    expect(hostingGroup(root, "/user.slice/job")).toBe("/user.slice/job");
  });

  test("beside a group that a shell is in, and above one that is threaded", () => {
    group("/user.slice/session", { procs: OURS + OTHERS });
    expect(hostingGroup(root, "/user.slice/session")).toBe("/user.slice");
    group("/user.slice", { type: "domain threaded" });
    expect(hostingGroup(root, "/user.slice/session")).toBe("/");
  });

  test("nowhere else where the top is a container's group with processes", () => {
    group("/", { procs: OTHERS });
    expect(hostingGroup(root, "/")).toBe("/");
  });

  const pids = { resources: { pids: { limit: 5 } }, always: false };

  function made(path: string): { readonly refused: unknown; readonly handed: string } {
    const [plan] = planCgroups({ version: 2, mountPoint: root, path }, "tsbuild/a", pids);
    if (plan === undefined) throw new Error("no plan");
    const { refused } = new StepCgroups([plan]);
    return { refused, handed: readFileSync(join(root, path, "cgroup.subtree_control"), "utf8") };
  }

  test("a controller that knows threads is not handed down by a group with processes: no step could join it", () => {
    group("/job", { procs: OTHERS });
    expect(made("/job").handed).toBe("");
  });

  test("nothing is put below a threaded group, and the limit is named", () => {
    group("/job", { type: "domain threaded" });
    group("/job/tsbuild/a", { type: "domain invalid" });
    group("/job/tsbuild", { type: "domain invalid" });
    expect(made("/job").refused).toMatchObject([
      { limit: "pids", reason: expect.stringContaining("threaded") },
    ]);
  });
});

test("groups of builders that are gone are removed, whoever knows of them", () => {
  const parent = join(root, "tsbuild");
  const gone = 2 ** 22 + 1; // above the highest process id that a kernel gives
  const names = [
    `0123456789ab-${gone}`,
    `tsbuild-${gone}-0123456789ab`,
    `0123456789ac-${process.pid}`,
    `ours-${gone}`,
  ];
  const inner = `tsbuild-${gone}-0123456789ab/container`;
  for (const name of [...names, inner, `0123456789ad-${gone}`, `0123456789ae-${gone}/busy`]) {
    mkdirSync(join(parent, name), { recursive: true });
    if (!name.startsWith("0123456789ad")) utimesSync(join(parent, name.split("/")[0] ?? ""), 1, 1);
  }
  const removed = removeOrphanedGroups([parent, join(root, "none")]);
  expect(removed).toEqual([names[0], names[1]].map((name) => join(parent, name ?? "")));
  expect(readdirSync(parent)).toHaveLength(4);
});
