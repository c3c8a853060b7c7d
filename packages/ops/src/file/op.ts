import type { FileOp, Op } from "@tsbuild/llb";
import type { VertexOp } from "@tsbuild/solver";
import { Scans } from "../content/content-key.ts";
import type { OpsEnvironment } from "../environment.ts";
import { fileCacheMap } from "./key.ts";

/** Executor of COPY, ADD, WORKDIR and the other file actions. What really copies is loaded only when something is copied. */
export function fileOp(env: OpsEnvironment, op: Op & { readonly kind: FileOp }): VertexOp {
  const scans = new Scans();
  return {
    cacheMap: async () => fileCacheMap(env, op, scans),
    run: async (inputs, context) => {
      const { runFileOp } = await import("./run.ts");
      const running = runFileOp({ env, op, inputs, context, scans, placed: new Map() });
      return running.finally(() => scans.close());
    },
  };
}
