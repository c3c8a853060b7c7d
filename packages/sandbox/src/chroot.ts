/**
 * Steps where no namespace can be made and nothing mounted, as in an ordinary container: a process in a chroot, with a user, limits and
 * capabilities of its own, whose whole family is killed at the end. Files that the step is given have to be in the root already.
 */
import { TsbuildError } from "@tsbuild/base";
import { UNCONFINED } from "./apparmor.ts";
import { capabilityMask, defaultCapabilities } from "./capabilities.ts";
import { StepCgroups } from "./cgroup.ts";
import { planCgroups, unplacedLimits } from "./cgroup-plan.ts";
import { type HostFacts, readHostFacts } from "./host.ts";
import { toRuntimeSpec } from "./oci-spec.ts";
import { canceled, outcomeOf, setupError } from "./outcome.ts";
import { perform } from "./perform.ts";
import { identityOps, sessionOps } from "./plan.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import { tellRefused } from "./refused-limits.ts";
import type { SandboxOptions } from "./run.ts";
import type { ExecIo, ExecOutcome, ExecSpec, Sandbox } from "./spec.ts";
import { spawnSupervisor } from "./supervisor.ts";

/** What a step has there that the sandbox keeps from it, for the one message that says so. */
export const CHROOT_SHARES =
  "processes, network, host name and IPC are shared with this machine, seccomp is not set";

/** A process that may change its root leaves the one it has (chroot(2)). */
const WITHHELD = "CAP_SYS_CHROOT";

/**
 * No capability beyond the usual ones for an insecure step either: what it did with them would be done to this machine. Filters need
 * CAP_SYS_ADMIN or the promise never to gain privileges, which breaks su and sudo: there is none.
 */
export function chrootPlan(spec: ExecSpec, host: HostFacts, cgroupFiles: readonly string[]): SandboxPlan {
  const capabilities = defaultCapabilities.filter(
    (name) => name !== WITHHELD && host.capabilities.includes(name),
  );
  const runtime = toRuntimeSpec(
    { ...spec, mounts: [], network: "host", apparmorProfile: UNCONFINED },
    { ...host, capabilities, seccompMachine: undefined },
  );
  const cuts = host.capabilities.includes("CAP_SETPCAP");
  const { rootFd, userNamespace } = spec;
  const identity = identityOps(runtime, host).filter(({ op }) => op !== "bounding");
  return {
    fds: userNamespace === undefined ? [rootFd] : [rootFd, userNamespace],
    stdio: spec.stdio,
    ops: [
      { op: "clone", flags: 0 },
      ...(cgroupFiles.length === 0 ? [] : [{ op: "join_cgroups", paths: cgroupFiles } as const]),
      ...(spec.stdio === "terminal" ? [{ op: "console", uid: spec.user.uid } as const] : []),
      { op: "fork" },
      ...sessionOps(spec.stdio),
      ...(userNamespace === undefined ? [] : [{ op: "keep_user_namespace", namespace: 1 } as const]),
      { op: "chroot", folder: 0 },
      ...(cuts ? [{ op: "bounding", keep: capabilityMask(capabilities) } as const] : []),
      ...identity,
      { op: "exec", args: spec.args, env: spec.env },
    ],
  };
}

/** `binary` as for `createSandbox`. `mounts` of a spec are the caller's to place; a network that is not the host's is refused. */
export function createChrootSandbox(options: SandboxOptions): Sandbox {
  let host: HostFacts | undefined;
  return {
    connectsOnDemand: false,
    run: async (spec, io) => {
      if (io.signal.aborted) throw canceled();
      if (spec.network !== "host") throw networkRefused();
      if ((spec.apparmorProfile ?? UNCONFINED) !== UNCONFINED) throw profileRefused();
      host ??= readHostFacts();
      return runGrouped(options, host, spec, io);
    },
  };
}

async function runGrouped(
  { binary, onGroup }: SandboxOptions,
  host: HostFacts,
  spec: ExecSpec,
  io: ExecIo,
): Promise<ExecOutcome> {
  const { cgroupsPath, resources } = toRuntimeSpec({ ...spec, mounts: [] }, host).linux;
  const groups = new StepCgroups(
    planCgroups(host.cgroups, cgroupsPath, { resources, always: spec.cgroup.parent !== "" }),
    onGroup,
  );
  try {
    tellRefused(io, {
      resources,
      unplaced: unplacedLimits(host.cgroups, resources),
      refused: groups.refused,
    });
    const plan = chrootPlan(spec, host, groups.joinFiles);
    const { last } = await perform(spawnSupervisor(binary), plan, io);
    if (io.signal.aborted) throw canceled();
    if (last.type === "failed") throw setupError(plan, last);
    return outcomeOf(last, groups.usage());
  } finally {
    await groups.remove();
  }
}

/** A profile is entered by way of /proc, which such a root need not have, and which may be a file of the step's there. */
function profileRefused(): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", "--isolation=chroot enters no AppArmor profile", {
    hint: "leave --security-opt apparmor=… out: steps stay under what confines tsbuild itself",
  });
}

function networkRefused(): TsbuildError {
  return new TsbuildError(
    "TSB_SANDBOX",
    "a step without network needs a namespace, which --isolation=chroot does without",
    {
      hint: "build it where namespaces can be made, or drop --network=none",
    },
  );
}
