/** The whole way from a specification to a plan on this machine, for showing: nothing is made, moved or run. */

import { join } from "node:path";
import { joinFile } from "./cgroup.ts";
import { planCgroups } from "./cgroup-plan.ts";
import { deviceFilter } from "./device-filter.ts";
import { deviceGroupFolder, deviceRules, mayFilterDevices } from "./device-group.ts";
import type { HostFacts } from "./host.ts";
import { type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
import { compilePlan } from "./plan.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import type { ExecSpec } from "./spec.ts";

export interface SandboxSketch {
  readonly runtime: RuntimeSpec;
  readonly plan: SandboxPlan;
}

/** Groups are named as if all of them could be made, and the kernel took the program for devices. */
export function sketchSandbox(spec: ExecSpec, host: HostFacts): SandboxSketch {
  const runtime = toRuntimeSpec(spec, host);
  const confined = spec.security !== "insecure";
  const filters = confined && host.devices === undefined && mayFilterDevices(host);
  const groups = planCgroups(host.cgroups, runtime.linux.cgroupsPath, {
    resources: runtime.linux.resources,
    always: spec.cgroup.parent !== "" || filters,
  });
  const unified = groups.find(({ version }) => version === 2);
  const guard = confined ? host.devices : undefined;
  const plan = compilePlan(runtime, {
    host,
    cgroupFiles: [
      ...groups
        .filter((group) => group !== unified)
        .map(({ path, version }) => join(path, joinFile(version))),
      ...(guard === undefined ? [] : [join(deviceGroupFolder(guard), joinFile(1))]),
    ],
    group: unified?.path,
    deviceFilter: filters ? deviceFilter(deviceRules) : undefined,
    devicesGuarded: guard !== undefined,
  });
  return { runtime, plan };
}
