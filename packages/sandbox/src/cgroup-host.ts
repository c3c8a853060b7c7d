/**
 * Below which group of version 2 those of steps are made. A group with processes of its own hands no controller of memory or io down
 * (cgroups(7), the "no internal processes" rule), and the group of a login has a shell in it: the groups of steps are then made beside it,
 * as runc and crun do.
 */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoCode } from "@tsbuild/base";

/** Text of a group's file, trimmed; empty if it cannot be read. */
function text(group: string, file: string): string {
  try {
    return readFileSync(join(group, file), "utf8").trim();
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return "";
  }
}

/** The one group above all has no type, and may have both processes and children with controllers. */
function isTop(group: string): boolean {
  return !existsSync(join(group, "cgroup.type"));
}

/** Where a process may be moved to it needs both. */
function mayMakeIn(group: string): boolean {
  return isWritable(group) && isWritable(join(group, "cgroup.procs"));
}

/** Delegated to this user, and there to be seen. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}

/** Processes that are in the group itself; those of another pid namespace are "0". */
export function processesIn(group: string): string[] {
  const list = text(group, "cgroup.procs");
  return list === "" ? [] : list.split("\n");
}

/** A process of this one's: it may be moved along. */
function isOurs(pid: string): boolean {
  if (pid === String(process.pid)) return true;
  const parent = /\) \S (\d+) /.exec(text(`/proc/${pid}`, "stat"))?.[1];
  return parent === String(process.pid);
}

/** Nobody else's process is in the group: it can be emptied. */
export function holdsOnlyOurs(group: string): boolean {
  return processesIn(group).every(isOurs);
}

/** False: writing a controller to it would fail, or make it a threaded group, below which no process of a step can be. */
export function handsDown(group: string): boolean {
  return isTop(group) || (processesIn(group).length === 0 && text(group, "cgroup.type") === "domain");
}

/** True if steps below the group can have limits: as it is, or once this process has left it. */
export function mayHandDown(group: string): boolean {
  return handsDown(group) || holdsOnlyOurs(group);
}

/** A group below a threaded one, which no process can join. */
export function isInvalid(group: string): boolean {
  return text(group, "cgroup.type") === "domain invalid";
}

/**
 * This process's own group if it can hand controllers down, now or once this process has left it; else the nearest one above that can
 * and may be written to; else its own again. All as paths from the mount point.
 */
export function hostingGroup(mountPoint: string, own: string): string {
  if (holdsOnlyOurs(join(mountPoint, own))) return own;
  for (let path = own; ; path = dirname(path)) {
    const group = join(mountPoint, path);
    if (!mayMakeIn(group)) return own;
    if (handsDown(group)) return path;
    if (path === "/" || path === ".") return own;
  }
}
