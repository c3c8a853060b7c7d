import type { ExecOp, Op } from "@tsbuild/llb";
import type { VertexOp } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { execCacheMap } from "./key.ts";

/** Executor of RUN. What really runs is loaded only when a step does. */
export function execOp(env: OpsEnvironment, op: Op & { readonly kind: ExecOp }): VertexOp {
  return {
    cacheMap: async () => execCacheMap(env, op),
    run: async (inputs, context) => {
      const { runExec } = await import("./run.ts");
      return runExec({ env, op, inputs, context });
    },
  };
}
