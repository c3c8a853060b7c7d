import type { ExecSpec } from "./spec.ts";

/** Something that has to exist in the root for a mount to hang on. */
export interface MountPoint {
  /** Absolute, as the spec writes it. */
  readonly path: string;
  readonly type: "folder" | "file";
}

/** Mount points of the system's own mounts that lie in the root itself; the others lie inside these. */
export const SYSTEM_MOUNT_POINTS: readonly string[] = ["/proc", "/dev", "/sys"];

/** Absolute path without empty, `.` and `..` parts (`..` of the root is the root). */
export function normalizeDest(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** True if `path` lies below one of the mounts and so not in the root's own file system. */
export function isInsideMount(path: string, mounts: Iterable<string>): boolean {
  for (const mount of mounts) if (path.startsWith(mount === "/" ? "/" : `${mount}/`)) return true;
  return false;
}

/**
 * Every mount point that must exist in the root before `run`, in the order of mounting. The caller makes the missing ones and
 * removes them after the step (D084): the sandbox itself never writes to the root. Points inside other mounts (/dev/shm, a bind
 * below a tmpfs) are not listed: the plan makes those, as nothing of them can end up in a layer of this root.
 */
export function mountPoints(spec: Pick<ExecSpec, "mounts">): MountPoint[] {
  const points = new Map<string, MountPoint>();
  for (const path of SYSTEM_MOUNT_POINTS) points.set(path, { path, type: "folder" });
  const mounted = [...SYSTEM_MOUNT_POINTS];
  for (const mount of spec.mounts) {
    const path = normalizeDest(mount.dest);
    if (!isInsideMount(path, mounted) && !points.has(path)) {
      points.set(path, { path, type: mount.type === "bind" ? mount.kind : "folder" });
    }
    mounted.push(path);
  }
  return [...points.values()];
}
