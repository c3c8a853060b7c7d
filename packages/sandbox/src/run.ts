import { constants } from "node:os";
import { TsbuildError } from "@tsbuild/base";
import { type CgroupUsage, planCgroups, StepCgroups } from "./cgroup.ts";
import { deviceGroup } from "./device-group.ts";
import { errnoName } from "./errno-name.ts";
import type { Frame } from "./frames.ts";
import { type HostFacts, readHostFacts } from "./host.ts";
import { toRuntimeSpec } from "./oci-spec.ts";
import { perform } from "./perform.ts";
import { compilePlan } from "./plan.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import type { ExecIo, ExecOutcome, ExecSpec, Sandbox } from "./spec.ts";

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

function canceled(): TsbuildError {
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

function hintFor(frame: Extract<Frame, { type: "failed" }>): string | undefined {
  const name = errnoName(frame.errno);
  if (name === "EPERM" && frame.call === "clone3") return "making namespaces needs root or user namespaces";
  if (name === "ENOSYS") return "the sandbox needs Linux 5.12 or newer";
  return undefined;
}

function setupError(plan: SandboxPlan, frame: Extract<Frame, { type: "failed" }>): TsbuildError {
  const what = [frame.call, frame.text].filter(Boolean).join(" ");
  const where = describeOp(plan, frame.line);
  const message = `cannot set up the sandbox: ${what}: ${errnoName(frame.errno)} (${where})`;
  return new TsbuildError("TSB_SANDBOX", message, { hint: hintFor(frame) });
}

function outcomeOf(frame: Extract<Frame, { type: "exited" }>, usage: CgroupUsage): ExecOutcome {
  const signal = frame.waitStatus & 0x7f;
  return {
    exitCode: signal === 0 ? (frame.waitStatus >> 8) & 0xff : 128 + signal,
    ...(signal === 0 ? {} : { signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` }),
    oomKilled: usage.oomKilled,
    peakMemoryBytes: usage.peakMemoryBytes ?? frame.peakBytes,
    cpuUs: frame.cpuUs,
  };
}

async function run(binary: string, host: HostFacts, spec: ExecSpec, io: ExecIo): Promise<ExecOutcome> {
  if (io.signal.aborted) throw canceled();
  const runtime = toRuntimeSpec(spec, host);
  const groups = new StepCgroups(
    planCgroups(host.cgroups, runtime.linux.cgroupsPath, {
      resources: runtime.linux.resources,
      always: spec.cgroup.parent !== "",
    }),
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

/**
 * The native sandbox. `binary` is the program that native/sandbox/build.ts makes. Reads the machine's facts once; a run holds no
 * state of its own, so any number may be under way at the same time.
 */
export function createSandbox(options: { readonly binary: string }): Sandbox {
  let host: HostFacts | undefined;
  return {
    run: (spec, io) => {
      host ??= readHostFacts();
      return run(options.binary, host, spec, io);
    },
  };
}
