import type { ExecOp } from "@tsbuild/llb";
import { cleanPath } from "../content/locate.ts";

/** Absolute target; a relative one is taken from the step's folder (D083). */
export function mountTarget(op: ExecOp, dest: string): string {
  return `/${cleanPath(dest.startsWith("/") ? dest : `${op.meta.cwd}/${dest}`)}`;
}
