import type { ExecSpec, HostFacts } from "@tsbuild/sandbox";
import { capabilityNames } from "@tsbuild/sandbox";

/** A step that runs `true` as root, with everything at its default. */
export function execSpec(changes: Partial<ExecSpec> = {}): ExecSpec {
  return {
    rootFd: 20,
    readonlyRoot: false,
    args: ["true"],
    env: ["PATH=/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, additionalGids: [] },
    hostname: "buildkitsandbox",
    mounts: [],
    network: "host",
    security: "sandbox",
    rlimits: [],
    shmSizeBytes: 64 * 1024 * 1024,
    cgroup: { parent: "" },
    id: "step",
    stdio: "log",
    ...changes,
  };
}

/** A machine with all capabilities and one cgroup v2 tree. */
export const host: HostFacts = {
  seccompMachine: "amd64",
  capabilities: capabilityNames,
  cgroups: { version: 2, mountPoint: "/sys/fs/cgroup", path: "/builder" },
  userNamespace: "none",
};
