/**
 * The step's own control groups, made only when a limit asks for them: joining one can wait for a grace period of the kernel on
 * a busy machine. Limits are best effort: a builder in a container often has no group that it may write to.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode } from "@tsbuild/base";
import type { CgroupLayout } from "./host.ts";
import type { RuntimeResources } from "./oci-spec.ts";

/** A file of a group and what is written to it. */
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
}

/** One folder to make: the group, what has to be written first in its parents, and its limits. */
export interface CgroupPlan {
  /** Parents from the top down, each with the settings that let children have controllers. */
  readonly parents: readonly { readonly path: string; readonly settings: readonly CgroupSetting[] }[];
  readonly path: string;
  readonly settings: readonly CgroupSetting[];
  readonly version: 1 | 2;
  readonly hasMemory: boolean;
  /** Files that a new group has empty and that must say something before a process can join (cpuset of v1): taken from the parent. */
  readonly inherits: readonly string[];
}

type Controller = "memory" | "cpu" | "cpuset" | "pids";

/** Settings in the order of writing, without those that nobody asked for. */
function given(
  ...settings: readonly (readonly [file: string, value: number | string | undefined])[]
): CgroupSetting[] {
  return settings.flatMap(([file, value]) => (value === undefined ? [] : [{ file, value: String(value) }]));
}

function settingsV1({ memory, cpu, pids }: RuntimeResources): Record<Controller, CgroupSetting[]> {
  return {
    memory: given(["memory.limit_in_bytes", memory?.limit], ["memory.memsw.limit_in_bytes", memory?.swap]),
    cpu: given(
      ["cpu.shares", cpu?.shares],
      ["cpu.cfs_period_us", cpu?.period],
      ["cpu.cfs_quota_us", cpu?.quota],
    ),
    cpuset: given(["cpuset.cpus", cpu?.cpus], ["cpuset.mems", cpu?.mems]),
    pids: given(["pids.max", limitWord(pids?.limit)]),
  };
}

/** v2 writes unlimited as a word. */
function limitWord(value: number | undefined): number | string | undefined {
  return value !== undefined && value < 0 ? "max" : value;
}

/** The weight of v2 (1…10000) for the shares of v1 (2…262144), as runtimes convert it (crun and runc, cgroup v2 documents). */
function weightOf(shares: number | undefined): number | undefined {
  if (shares === undefined || shares === 0) return undefined;
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262_144) - 2) * 9999) / 262_142);
}

function settingsV2({ memory, cpu, pids }: RuntimeResources): Record<Controller, CgroupSetting[]> {
  const swap = memory === undefined || memory.swap < 0 ? memory?.swap : memory.swap - memory.limit;
  const quota = cpu?.quota === undefined ? undefined : `${limitWord(cpu.quota)} ${cpu.period}`;
  return {
    memory: given(["memory.max", limitWord(memory?.limit)], ["memory.swap.max", limitWord(swap)]),
    cpu: given(["cpu.weight", weightOf(cpu?.shares)], ["cpu.max", quota]),
    cpuset: given(["cpuset.cpus", cpu?.cpus], ["cpuset.mems", cpu?.mems]),
    pids: given(["pids.max", limitWord(pids?.limit)]),
  };
}

const CONTROLLERS: readonly Controller[] = ["memory", "cpu", "cpuset", "pids"];

function groupPath(own: string, cgroupsPath: string): string {
  return cgroupsPath.startsWith("/") ? cgroupsPath : join(own, cgroupsPath);
}

/** Every folder from below the mount point down to the parent of `path`. */
function parentsOf(mountPoint: string, path: string): string[] {
  const parents: string[] = [];
  for (let parent = dirname(path); parent !== "/" && parent !== "."; parent = dirname(parent)) {
    parents.unshift(join(mountPoint, parent));
  }
  return parents;
}

function plansV1(
  layout: Extract<CgroupLayout, { version: 1 }>,
  cgroupsPath: string,
  { resources, always }: CgroupRequest,
): CgroupPlan[] {
  const settings = settingsV1(resources);
  return layout.hierarchies.flatMap(({ controllers, mountPoint, path: own }) => {
    const known = CONTROLLERS.filter((name) => controllers.includes(name));
    const wanted = known.filter((name) => settings[name].length > 0);
    if (wanted.length === 0 && !always) return [];
    const path = groupPath(own, cgroupsPath);
    const plan: CgroupPlan = {
      parents: parentsOf(mountPoint, path).map((parent) => ({ path: parent, settings: [] })),
      path: join(mountPoint, path),
      settings: wanted.flatMap((name) => settings[name]),
      version: 1,
      hasMemory: known.includes("memory"),
      inherits: known.includes("cpuset") ? ["cpuset.cpus", "cpuset.mems"] : [],
    };
    return [plan];
  });
}

function planV2(
  layout: Extract<CgroupLayout, { version: 2 }>,
  cgroupsPath: string,
  { resources }: CgroupRequest,
): CgroupPlan {
  const settings = settingsV2(resources);
  const wanted = CONTROLLERS.filter((name) => settings[name].length > 0);
  const path = groupPath(layout.path, cgroupsPath);
  /* One write each: a controller that a parent does not hand down must not keep the others away. */
  const enable = wanted.map((name) => ({ file: "cgroup.subtree_control", value: `+${name}` }));
  return {
    parents: [layout.mountPoint, ...parentsOf(layout.mountPoint, path)].map((parent) => ({
      path: parent,
      settings: enable,
    })),
    path: join(layout.mountPoint, path),
    settings: wanted.flatMap((name) => settings[name]),
    version: 2,
    hasMemory: wanted.includes("memory"),
    inherits: [],
  };
}

export interface CgroupRequest {
  readonly resources: RuntimeResources;
  /** The step is to be in a group of its own also without limits: somebody named its parent. */
  readonly always: boolean;
}

/** What to make for a step's limits; nothing without limits or without control groups. Pure. */
export function planCgroups(layout: CgroupLayout, cgroupsPath: string, request: CgroupRequest): CgroupPlan[] {
  const unlimited = Object.keys(request.resources).length === 0 && !request.always;
  if (unlimited || layout.version === 0) return [];
  return layout.version === 1
    ? plansV1(layout, cgroupsPath, request)
    : [planV2(layout, cgroupsPath, request)];
}

/**
 * The ways in which a machine says that it has no such limit or does not let us set it. EBUSY: a v2 group with processes of its
 * own hands no controller down. EINVAL: a v1 swap limit below a parent's.
 */
const UNAVAILABLE = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "EBUSY",
  "EINVAL",
  "EOPNOTSUPP",
  "ENODEV",
]);

/** True if it was done, false if the machine has not got it; anything else is thrown. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (UNAVAILABLE.has(errnoCode(error) ?? "")) return false;
    throw error;
  }
}

function makeFolder(path: string): boolean {
  return attempt(() => void mkdirSync(path, { recursive: true }));
}

function inherit(path: string, files: readonly string[]): void {
  for (const file of files) {
    attempt(() => {
      const own = join(path, file);
      if (readFileSync(own, "utf8").trim() === "")
        writeFileSync(own, readFileSync(join(dirname(path), file), "utf8").trim());
    });
  }
}

function makeGroup(plan: CgroupPlan): boolean {
  for (const { path, settings } of plan.parents) {
    if (!makeFolder(path)) return false;
    inherit(path, plan.inherits);
    for (const { file, value } of settings) attempt(() => writeFileSync(join(path, file), value));
  }
  if (!makeFolder(plan.path)) return false;
  inherit(plan.path, plan.inherits);
  for (const { file, value } of plan.settings) attempt(() => writeFileSync(join(plan.path, file), value));
  return true;
}

function readNumber(path: string): number | undefined {
  let text = "";
  const found = attempt(() => {
    text = readFileSync(path, "utf8");
  });
  return found && /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

function readCounter(path: string, key: string): number {
  let text = "";
  attempt(() => {
    text = readFileSync(path, "utf8");
  });
  return Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

/**
 * The file through which a process of one thread moves itself into a group by writing "0". v1's "tasks" moves the writing thread alone:
 * for that Linux 5.5 and later do not stop every fork and exit of the machine, as they do for "cgroup.procs", which took
 * 10–13 ms of each step. v2 has nothing like it for groups with controllers.
 */
export function joinFile(version: 1 | 2): string {
  return version === 1 ? "tasks" : "cgroup.procs";
}

/** What a memory group remembers of a step. */
export interface CgroupUsage {
  readonly oomKilled: boolean;
  readonly peakMemoryBytes: number | undefined;
}

/** Groups that exist; `remove` them when no process of the step is left. */
export class StepCgroups {
  readonly #plans: readonly CgroupPlan[];

  /** `onGroup` hears of each group before it is made: one whose maker is killed stays, empty, until somebody removes it. */
  constructor(plans: readonly CgroupPlan[], onGroup: ((path: string) => void) | undefined) {
    for (const { path } of plans) onGroup?.(path);
    this.#plans = plans.filter(makeGroup);
  }

  /** Files through which a process joins. */
  get joinFiles(): string[] {
    return this.#plans.map(({ path, version }) => join(path, joinFile(version)));
  }

  usage(): CgroupUsage {
    const memory = this.#plans.find(({ hasMemory }) => hasMemory);
    if (memory === undefined) return { oomKilled: false, peakMemoryBytes: undefined };
    const unified = memory.version === 2;
    const events = join(memory.path, unified ? "memory.events" : "memory.oom_control");
    const peak = join(memory.path, unified ? "memory.peak" : "memory.max_usage_in_bytes");
    return { oomKilled: readCounter(events, "oom_kill") > 0, peakMemoryBytes: readNumber(peak) };
  }

  async remove(): Promise<void> {
    for (const { path } of this.#plans) {
      /* The kernel lets go of the last process a moment after it was reaped. */
      for (let tries = 0; tries < 20 && !attempt(() => rmdirSync(path)) && existsSync(path); tries++)
        await sleep(5);
    }
  }
}
