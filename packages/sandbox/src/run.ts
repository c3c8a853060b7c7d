import { planCgroups, StepCgroups } from "./cgroup.ts";
import { deviceGroup } from "./device-group.ts";
import { canConnectOnDemand, type HostFacts, readHostFacts } from "./host.ts";
import { toRuntimeSpec } from "./oci-spec.ts";
import { canceled, outcomeOf, setupError } from "./outcome.ts";
import { perform } from "./perform.ts";
import { compilePlan } from "./plan.ts";
import type { ExecIo, ExecOutcome, ExecSpec, Sandbox } from "./spec.ts";

async function run(
  { binary, onGroup }: SandboxOptions,
  host: HostFacts,
  spec: ExecSpec,
  io: ExecIo,
): Promise<ExecOutcome> {
  if (io.signal.aborted) throw canceled();
  const runtime = toRuntimeSpec(spec, host);
  const groups = new StepCgroups(
    planCgroups(host.cgroups, runtime.linux.cgroupsPath, {
      resources: runtime.linux.resources,
      always: spec.cgroup.parent !== "",
    }),
    onGroup,
  );
  try {
    const guard = spec.security === "insecure" ? undefined : deviceGroup(host.devices);
    const plan = compilePlan(runtime, {
      host,
      cgroupFiles: [...groups.joinFiles, ...(guard === undefined ? [] : [guard])],
      devicesGuarded: guard !== undefined,
      input: spec.stdio === "input",
    });
    const last = await perform(binary, plan, io);
    if (io.signal.aborted) throw canceled();
    if (last.type === "failed") throw setupError(plan, last);
    return outcomeOf(last, groups.usage());
  } finally {
    await groups.remove();
  }
}

export interface SandboxOptions {
  /** The program that native/sandbox/build.ts makes. */
  readonly binary: string;
  /** Hears of each control group before it is made, so that it can be removed should this process be killed. */
  readonly onGroup?: ((path: string) => void) | undefined;
}

/**
 * The native sandbox. Reads the machine's facts once; a run holds no state of its own, so any number may be under way at the same time.
 */
export function createSandbox(options: SandboxOptions): Sandbox {
  let facts: HostFacts | undefined;
  const host = (): HostFacts => {
    facts ??= readHostFacts();
    return facts;
  };
  return {
    get connectsOnDemand() {
      return canConnectOnDemand(host());
    },
    run: (spec, io) => run(options, host(), spec, io),
  };
}
