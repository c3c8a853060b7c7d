/** How a run ended, in the terms of the caller: an outcome or an error that names call, errno and line of the plan. */
import { constants } from "node:os";
import { TsbuildError } from "@tsbuild/base";
import type { CgroupUsage } from "./cgroup.ts";
import { errnoName } from "./errno-name.ts";
import type { Frame } from "./frames.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import type { ExecOutcome } from "./spec.ts";

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

export function canceled(): TsbuildError {
  return new TsbuildError("TSB_CANCELED", "the step was canceled");
}

/** Arguments of an operation, short enough for a message: no filter program, environment or command line. */
function describeOp(plan: SandboxPlan, line: number): string {
  const op = plan.ops[line];
  if (op === undefined) return "before the plan";
  const words = Object.entries(op).flatMap(([key, value]) => {
    return key !== "op" && (typeof value === "string" || typeof value === "number")
      ? [`${key}=${value}`]
      : [];
  });
  return [`line ${line} of the plan: ${op.op}`, ...words].join(" ");
}

/** setresuid(2): an id that the user namespace does not map. */
export const UNKNOWN_ID =
  "the step's user or one of its groups is not among this user's ids; tsbuild doctor says which there are, and what to type for more (usermod --add-subuids …)";

/** setrlimit(2): raising it needs CAP_SYS_RESOURCE outside of user namespaces. */
export const LIMIT_HINT =
  "a --ulimit is above this user's own hard limit (ulimit -H -a): ask for less, or raise it in /etc/security/limits.conf";

/** open_target of native/sandbox/src/resolve.h. */
const TAKEN_BY_LINKS =
  "links of the image lead this target to /proc, /dev, /sys or the root itself, where an OCI runtime mounts its own: name the place " +
  "without links, or leave --oci-runtime out";

/** aa_change_profile of the kernel's security/apparmor/domain.c, and confine.c. */
const PROFILE_HINTS: Readonly<Record<string, string>> = {
  ENOENT: "no AppArmor profile of that name is loaded: as root apparmor_parser -r FILE",
  EACCES: "tsbuild itself is under a profile that does not allow this one to be entered",
  EINVAL: "AppArmor is off here: leave --security-opt apparmor=… out",
  EROFS: "steps see this container's own /proc here, read-only: leave --security-opt apparmor=… out",
  EPERM:
    "a mount of the step hides /proc, by which the profile is entered: choose another target for the mount",
};

function hintFor(frame: Extract<Frame, { type: "failed" }>): string | undefined {
  const name = errnoName(frame.errno);
  if (name === "EPERM" && frame.call === "clone3") return "making namespaces needs root or user namespaces";
  if (name === "EINVAL" && /^setres[ug]id$|^setgroups$/.test(frame.call)) return UNKNOWN_ID;
  if (name === "EPERM" && frame.call === "setrlimit") return LIMIT_HINT;
  if (frame.call === "mount target") return TAKEN_BY_LINKS;
  if (frame.call === "apparmor") return PROFILE_HINTS[name];
  if (name === "EROFS" && frame.call === "mkdirat")
    return "a mount that is read-only has no such folder: mount it with rw, or choose another WORKDIR or target";
  if (name === "EINVAL" && frame.call === "move_mount")
    return "a folder cannot be mounted on a file, nor a file on a folder: choose another target";
  if (name === "ENOSYS") return "the sandbox needs Linux 5.12 or newer";
  return undefined;
}

export function setupError(plan: SandboxPlan, frame: Extract<Frame, { type: "failed" }>): TsbuildError {
  const what = [frame.call, frame.text].filter(Boolean).join(" ");
  const where = describeOp(plan, frame.line);
  const message = `cannot set up the sandbox: ${what}: ${errnoName(frame.errno)} (${where})`;
  return new TsbuildError("TSB_SANDBOX", message, { hint: hintFor(frame) });
}

export function outcomeOf(frame: Extract<Frame, { type: "exited" }>, usage: CgroupUsage): ExecOutcome {
  const signal = frame.waitStatus & 0x7f;
  return {
    exitCode: signal === 0 ? (frame.waitStatus >> 8) & 0xff : 128 + signal,
    ...(signal === 0 ? {} : { signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` }),
    oomKilled: usage.oomKilled,
    peakMemoryBytes: usage.peakMemoryBytes ?? frame.peakBytes,
    cpuUs: frame.cpuUs,
  };
}
