/** Which control groups a step's limits take, as data: nothing is made here. */
import { dirname, join } from "node:path";
import type { CgroupLayout } from "./host.ts";
import type { RuntimeResources } from "./oci-spec.ts";

/** Limits by the names of their flags. */
export type LimitName =
  | ("memory" | "memory-swap" | "cpu-shares" | "cpu-period" | "cpu-quota")
  | ("cpuset-cpus" | "cpuset-mems" | "pids");

/** A file of a group and what is written to it. */
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
  /** What somebody asked for by it. */
  readonly limit?: LimitName | undefined;
}

/** One folder to make: the group, what has to be written first in its parents, and its limits. */
export interface CgroupPlan {
  /** Parents from the top down, each with the settings that let children have controllers. */
  readonly parents: readonly { readonly path: string; readonly settings: readonly CgroupSetting[] }[];
  readonly path: string;
  readonly settings: readonly CgroupSetting[];
  readonly version: 1 | 2;
  /** This process's own group (v2): it hands controllers down only when no process is left in it. */
  readonly own?: string | undefined;
  readonly hasMemory: boolean;
  /** Files that a new group has empty and that must say something before a process can join (cpuset of v1): taken from the parent. */
  readonly inherits: readonly string[];
}

type Controller = "memory" | "cpu" | "cpuset" | "pids";

/** Settings in the order of writing, without those that nobody asked for. */
function given(
  ...settings: readonly (readonly [limit: LimitName, file: string, value: number | string | undefined])[]
): CgroupSetting[] {
  return settings.flatMap(([limit, file, value]) =>
    value === undefined ? [] : [{ file, value: String(value), limit }],
  );
}

function settingsV1({ memory, cpu, pids }: RuntimeResources): Record<Controller, CgroupSetting[]> {
  return {
    memory: given(
      ["memory", "memory.limit_in_bytes", memory?.limit],
      ["memory-swap", "memory.memsw.limit_in_bytes", memory?.swap],
    ),
    cpu: given(
      ["cpu-shares", "cpu.shares", cpu?.shares],
      ["cpu-period", "cpu.cfs_period_us", cpu?.period],
      ["cpu-quota", "cpu.cfs_quota_us", cpu?.quota],
    ),
    cpuset: given(["cpuset-cpus", "cpuset.cpus", cpu?.cpus], ["cpuset-mems", "cpuset.mems", cpu?.mems]),
    pids: given(["pids", "pids.max", limitWord(pids?.limit)]),
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
    memory: given(
      ["memory", "memory.max", limitWord(memory?.limit)],
      ["memory-swap", "memory.swap.max", limitWord(swap)],
    ),
    cpu: given(["cpu-shares", "cpu.weight", weightOf(cpu?.shares)], ["cpu-quota", "cpu.max", quota]),
    cpuset: given(["cpuset-cpus", "cpuset.cpus", cpu?.cpus], ["cpuset-mems", "cpuset.mems", cpu?.mems]),
    pids: given(["pids", "pids.max", limitWord(pids?.limit)]),
  };
}

const CONTROLLERS: readonly Controller[] = ["memory", "cpu", "cpuset", "pids"];

/** A relative path counts from `own`. */
export function groupPath(own: string, cgroupsPath: string): string {
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
  const path = groupPath(layout.host ?? layout.path, cgroupsPath);
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
    own: join(layout.mountPoint, layout.path),
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

/** Limits that were asked for and that no control group of this machine has a place for. */
export function unplacedLimits(layout: CgroupLayout, resources: RuntimeResources): LimitName[] {
  if (layout.version === 2 || Object.keys(resources).length === 0) return [];
  const settings = settingsV1(resources);
  const placed = layout.version === 1 ? layout.hierarchies.flatMap(({ controllers }) => controllers) : [];
  const missing = CONTROLLERS.filter((name) => !placed.includes(name));
  return missing.flatMap((name) => settings[name].flatMap(({ limit }) => limit ?? []));
}
