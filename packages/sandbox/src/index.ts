export { DEFAULT_PROFILE, UNCONFINED } from "./apparmor.ts";
export { defaultProfileText } from "./apparmor-profile.ts";
export {
  type Capability,
  capabilitiesOf,
  capabilityMask,
  capabilityNames,
  defaultCapabilities,
} from "./capabilities.ts";
export { mayHandDown } from "./cgroup-host.ts";
export { removeOrphanedGroups } from "./cgroup-orphans.ts";
export { CHROOT_SHARES, chrootPlan, createChrootSandbox } from "./chroot.ts";
export { mayFilterDevices } from "./device-group.ts";
export { createEmulations, type Emulation, type Emulations } from "./emulation/emulations.ts";
export { findEmulation, registered } from "./emulation/find.ts";
export { elfProgram, machines } from "./emulation/machines.ts";
export {
  type CgroupHierarchy,
  type CgroupLayout,
  canConnectOnDemand,
  type HostFacts,
  hostFactsFrom,
  knowsOneId,
  ownGroups,
  readHostFacts,
  sharesProc,
} from "./host.ts";
export { type ExtraHost, hostsFile } from "./hosts.ts";
export { type MountPoint, mountPoints } from "./mount-points.ts";
export {
  createNetworkPool,
  type NetworkChoice,
  type NetworkPool,
  networkChoices,
  type PrivateNetwork,
} from "./network/pool.ts";
export { FORWARDED_DNS, findProvider } from "./network/provider.ts";
export { bundleSpec } from "./oci-bundle.ts";
export { createOciSandbox, type OciSandboxOptions } from "./oci-runtime.ts";
export { type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
export { compilePlan, type PlanContext } from "./plan.ts";
export { encodePlan, type SandboxPlan } from "./plan-encode.ts";
export type { PlanOp } from "./plan-ops.ts";
export { planLine, planText } from "./plan-text.ts";
export { type DnsConfig, resolvConf, resolvedUpstreamPath, usesResolvedStub } from "./resolv-conf.ts";
export { type ClosableSandbox, createSandbox } from "./run.ts";
export { type BpfInstruction, compileSeccomp, encodeBpf } from "./seccomp/compile.ts";
export { disassemble } from "./seccomp/disassemble.ts";
export { defaultSeccomp, type LinuxSeccomp, type SeccompMachine } from "./seccomp/profile.ts";
export { type SandboxSketch, sketchSandbox } from "./sketch.ts";
export type * from "./spec.ts";
export { type DescriptorSockets, stepPacket } from "./step-starter.ts";
