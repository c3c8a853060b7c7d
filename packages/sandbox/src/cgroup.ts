/**
 * The step's own control groups, made only when a limit or a device rule asks for them: joining one can wait for a grace period of the
 * kernel on a busy machine. Limits are best effort, as a builder in a container often has no group that it may write to: what
 * cannot be set is told.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode } from "@tsbuild/base";
import { handsDown, holdsOnlyOurs, isInvalid, processesIn } from "./cgroup-host.ts";
import type { CgroupPlan, CgroupSetting, LimitName } from "./cgroup-plan.ts";

/**
 * The ways in which a machine says that it has no such limit or does not let us set it. EBUSY: a v2 group with processes of its
 * own hands no controller down. EINVAL: a v1 swap limit below a parent's.
 */
const UNAVAILABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "EBUSY", "EINVAL", "ENOTSUP", "ENODEV"]);

/** The errno if the machine has not got it, undefined if it was done; anything else is thrown. */
function attempt(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    const code = errnoCode(error) ?? "";
    if (UNAVAILABLE.has(code)) return code;
    throw error;
  }
}

/** Not recursive: the plan lists all parents, and Node never ends where a kernel's file system answers ENOENT for a folder with a parent. */
function makeFolder(path: string): string | undefined {
  return attempt(() => {
    try {
      mkdirSync(path);
    } catch (error) {
      if (errnoCode(error) !== "EEXIST") throw error;
    }
  });
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

/** A limit that this machine does not set: why, as a clause, and of which folder or file that holds. */
export interface RefusedLimit {
  readonly limit: LimitName;
  readonly reason: string;
  readonly path: string;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user may not write to",
  EPERM: "this user may not write to",
  EROFS: "read-only is",
  ENOENT: "this machine has no",
  EBUSY: "its group has processes of its own and hands no controller down:",
  ENOTSUP: "no process can be in a group below a threaded one, as is",
};

/**
 * A delegated group of v2 (systemd-run -p Delegate=yes) holds this process, which keeps it from handing controllers down: it moves into a
 * leaf beside the steps' groups, with its children. Where others share the group that is not ours to do.
 */
function moveIntoLeaf(own: string): boolean {
  if (!holdsOnlyOurs(own)) return false;
  const leaf = join(own, "tsbuild-builder");
  const moved = attempt(() => {
    makeFolder(leaf);
    for (const pid of processesIn(own)) move(pid, leaf);
  });
  return moved === undefined;
}

function move(pid: string, group: string): void {
  try {
    writeFileSync(join(group, "cgroup.procs"), pid);
  } catch (error) {
    /* It has ended meanwhile. */
    if (errnoCode(error) !== "ESRCH") throw error;
  }
}

/**
 * Writes a setting of a parent; undefined or the errno. Controllers that know threads (cpu, cpuset, pids) could be written to a group
 * with processes, and would make it a threaded one, below which no step can be.
 */
function setParent(plan: CgroupPlan, path: string, { file, value }: CgroupSetting): string | undefined {
  if (!handsDown(path) && !(path === plan.own && moveIntoLeaf(path))) return "EBUSY";
  return attempt(() => writeFileSync(join(path, file), value));
}

type Refusal = Pick<RefusedLimit, "reason" | "path">;

function refusal(code: string, path: string): Refusal {
  return { reason: REASONS[code] ?? code, path };
}

function refusedAll(settings: readonly CgroupSetting[], why: Refusal): RefusedLimit[] {
  return settings.flatMap(({ limit }) => (limit === undefined ? [] : [{ limit, ...why }]));
}

interface MadeGroup {
  readonly exists: boolean;
  readonly refused: readonly RefusedLimit[];
}

function unusable(plan: CgroupPlan, path: string): MadeGroup {
  if (path === plan.path) attempt(() => rmdirSync(path));
  return { exists: false, refused: refusedAll(plan.settings, refusal("ENOTSUP", dirname(plan.path))) };
}

function makeGroup(plan: CgroupPlan): MadeGroup {
  /* By `+controller`, of the highest group: a parent that hands none down says more than the file that is missing for it. */
  const withheld = new Map<string, Refusal>();
  for (const { path, settings } of [...plan.parents, { path: plan.path, settings: [] }]) {
    const code = makeFolder(path);
    /* Named without the step, as it holds for all steps. */
    if (code !== undefined)
      return { exists: false, refused: refusedAll(plan.settings, refusal(code, dirname(plan.path))) };
    if (plan.version === 2 && isInvalid(path)) return unusable(plan, path);
    inherit(path, plan.inherits);
    for (const setting of settings) {
      const refused = setParent(plan, path, setting);
      if (refused !== undefined && !withheld.has(setting.value))
        withheld.set(setting.value, refusal(refused, join(path, setting.file)));
    }
  }
  const refused = plan.settings.flatMap((setting) => {
    const code = attempt(() => writeFileSync(join(plan.path, setting.file), setting.value));
    if (code === undefined) return [];
    const parents = withheld.get(`+${setting.file.split(".")[0]}`);
    return refusedAll([setting], parents ?? refusal(code, join(dirname(plan.path), "*", setting.file)));
  });
  return { exists: true, refused };
}

function readNumber(path: string): number | undefined {
  let text = "";
  attempt(() => {
    text = readFileSync(path, "utf8");
  });
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
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

/** Reads it of the groups of a step that still exist, whoever made them; nothing is known without one of memory. */
export function readUsage(plans: readonly CgroupPlan[]): CgroupUsage {
  const memory = plans.find(({ hasMemory }) => hasMemory);
  if (memory === undefined) return { oomKilled: false, peakMemoryBytes: undefined };
  const unified = memory.version === 2;
  const events = join(memory.path, unified ? "memory.events" : "memory.oom_control");
  const peak = join(memory.path, unified ? "memory.peak" : "memory.max_usage_in_bytes");
  return { oomKilled: readCounter(events, "oom_kill") > 0, peakMemoryBytes: readNumber(peak) };
}

/** Groups that exist; `remove` them when no process of the step is left. */
export class StepCgroups {
  readonly #plans: readonly CgroupPlan[];
  readonly refused: readonly RefusedLimit[];

  /** `onGroup` hears of each group before it is made: one whose maker is killed stays, empty, until somebody removes it. */
  constructor(plans: readonly CgroupPlan[], onGroup?: (path: string) => void) {
    for (const { path } of plans) onGroup?.(path);
    const made = plans.map((plan) => ({ plan, ...makeGroup(plan) }));
    this.#plans = made.filter(({ exists }) => exists).map(({ plan }) => plan);
    this.refused = made.flatMap(({ refused }) => refused);
  }

  /** Files through which a process joins. */
  get joinFiles(): string[] {
    return this.#plans.map(({ path, version }) => join(path, joinFile(version)));
  }

  /** How a step gets into its groups: cloned into the one of v2, by the files of those of v1. */
  get ways(): { readonly cgroupFiles: readonly string[]; readonly group: string | undefined } {
    const unified = this.#plans.find(({ version }) => version === 2);
    return unified === undefined
      ? { cgroupFiles: this.joinFiles, group: undefined }
      : { cgroupFiles: [], group: unified.path };
  }

  usage(): CgroupUsage {
    return readUsage(this.#plans);
  }

  async remove(): Promise<void> {
    for (const { path } of this.#plans) {
      /* The kernel lets go of the last process a moment after it was reaped. */
      for (let tries = 0; tries < 20; tries++) {
        if (attempt(() => rmdirSync(path)) === undefined || !existsSync(path)) break;
        await sleep(5);
      }
    }
  }
}
