import type { ExecOp, Mount } from "@tsbuild/llb";
import { cleanPath } from "../content/locate.ts";

/** Absolute target; a relative one is taken from the step's folder (D083). */
export function mountTarget(op: ExecOp, dest: string): string {
  return `/${cleanPath(dest.startsWith("/") ? dest : `${op.meta.cwd}/${dest}`)}`;
}

/** Targets nested in others come later, whatever the order they were written in (D083). */
export function inMountOrder(op: ExecOp): Mount[] {
  const depth = (mount: Mount): number => mountTarget(op, mount.dest).split("/").length;
  return op.mounts.toSorted((a, b) => depth(a) - depth(b));
}
