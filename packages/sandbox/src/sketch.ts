/** The whole way from a specification to a plan on this machine, for showing: nothing is made, moved or run. */

import { join } from "node:path";
import { joinFile, planCgroups } from "./cgroup.ts";
import { deviceGroupFolder } from "./device-group.ts";
import type { HostFacts } from "./host.ts";
import { type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
import { compilePlan } from "./plan.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import type { ExecSpec } from "./spec.ts";

export interface SandboxSketch {
  readonly runtime: RuntimeSpec;
  readonly plan: SandboxPlan;
}

/** Groups are named as if all of them could be made. */
export function sketchSandbox(spec: ExecSpec, host: HostFacts): SandboxSketch {
  const runtime = toRuntimeSpec(spec, host);
  const groups = planCgroups(host.cgroups, runtime.linux.cgroupsPath, {
    resources: runtime.linux.resources,
    always: spec.cgroup.parent !== "",
  });
  const guard = spec.security === "insecure" || host.devices === undefined ? undefined : host.devices;
  const plan = compilePlan(runtime, {
    host,
    cgroupFiles: [
      ...groups.map(({ path, version }) => join(path, joinFile(version))),
      ...(guard === undefined ? [] : [join(deviceGroupFolder(guard), joinFile(1))]),
    ],
    devicesGuarded: guard !== undefined,
  });
  return { runtime, plan };
}
