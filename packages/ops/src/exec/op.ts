import { TsbuildError } from "@tsbuild/base";
import type { ExecOp, Op, StepPragma } from "@tsbuild/llb";
import type { OpContext, VertexOp } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { runAttempts } from "./attempts.ts";
import { execCacheMap } from "./key.ts";
import { tellOnce } from "./notice.ts";

/**
 * Devices beyond the default ones come through a container device interface (CDI), which this sandbox has none of: a
 * device that the command needs cannot be given, one that it can do without is left out (D088).
 */
function leaveOutDevices(env: OpsEnvironment, { devices = [] }: ExecOp, context: OpContext): void {
  const needed = devices.find((device) => !device.optional);
  if (needed === undefined) {
    for (const { name } of devices)
      tellOnce({ env, context }, `steps run without the device ${name}: there is no CDI support`);
    return;
  }
  throw new TsbuildError("TSB_UNSUPPORTED", `the device ${needed.name} cannot be given to a command`, {
    hint: "drop `required` from --device if the command can do without it; there is no CDI support",
  });
}

/** Executor of RUN. What really runs is loaded only when a step does. */
export function execOp(
  env: OpsEnvironment,
  op: Op & { readonly kind: ExecOp },
  pragma: StepPragma = {},
): VertexOp {
  return {
    cacheMap: async () => execCacheMap(env, op),
    run: async (inputs, context) => {
      leaveOutDevices(env, op.kind, context);
      const { runExec } = await import("./run.ts");
      return runAttempts(pragma, context, (attempt, last) =>
        runExec({ env: last ? env : { ...env, keepFailed: undefined }, op, inputs, context: attempt }),
      );
    },
  };
}
