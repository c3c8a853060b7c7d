import type { ExecOp } from "@tsbuild/llb";
import type { ExecMount, ExecSpec } from "@tsbuild/sandbox";
import { cleanPath } from "../content/locate.ts";
import type { StepResources } from "../grants/grants.ts";
import { stepEnvironment } from "./environment.ts";
import type { StepUser } from "./user.ts";

/** Name of the machine that a step sees (B009). */
export const DEFAULT_HOSTNAME = "buildkitsandbox";

const SHM_SIZE_BYTES = 64 * 1024 * 1024;

/** What a step's specification is made of besides its op. */
export interface StepParts {
  /** See `ExecSpec.rootFd`. */
  readonly rootFd: number;
  readonly user: StepUser;
  readonly mounts: readonly ExecMount[];
  readonly network: ExecSpec["network"];
  readonly userNamespace?: number | undefined;
  readonly stdio: ExecSpec["stdio"];
  readonly id: string;
  readonly proxyEnv: readonly string[];
  /** Values of secrets by the variables that hold them. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly resources: StepResources;
  /** See `ExecSpec.apparmorProfile`. */
  readonly apparmorProfile?: string | undefined;
}

/** An op's step as the sandbox takes it. Pure: the same for steps that run and for those that are only shown. */
export function stepSpec(op: ExecOp, parts: StepParts): ExecSpec {
  const { meta, security, mounts: opMounts } = op;
  const { user } = parts;
  return {
    rootFd: parts.rootFd,
    readonlyRoot: opMounts.some((mount) => mount.dest === "/" && mount.readonly),
    args: meta.args,
    env: stepEnvironment(meta, { home: user.home, extra: parts.proxyEnv, secrets: parts.secrets }),
    cwd: `/${cleanPath(meta.cwd)}`,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    hostname: meta.hostname || DEFAULT_HOSTNAME,
    mounts: parts.mounts,
    network: parts.network,
    userNamespace: parts.userNamespace,
    security,
    ...(parts.apparmorProfile === undefined ? {} : { apparmorProfile: parts.apparmorProfile }),
    rlimits: meta.ulimits.map((limit) => ({ name: limit.name, soft: limit.soft, hard: limit.hard })),
    shmSizeBytes: SHM_SIZE_BYTES,
    cgroup: { parent: meta.cgroupParent, ...parts.resources },
    id: parts.id,
    stdio: parts.stdio,
  };
}
