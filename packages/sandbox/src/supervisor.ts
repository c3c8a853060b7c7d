/** Starting the native program for one plan. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { TsbuildError } from "@tsbuild/base";
import { encodePlan, type SandboxPlan } from "./plan-encode.ts";

/** Standard streams of the native program: of the caller's, only those that it relays for the step. */
const STANDARD = {
  log: ["ignore", "ignore", "ignore"],
  input: ["inherit", "ignore", "ignore"],
  terminal: ["inherit", "inherit", "ignore"],
} as const;

/** A process that waits for its plan on the control socket; native/sandbox/src/main.c describes it. */
export interface Supervisor {
  readonly control: Socket;
  /** Undefined where this process is not its parent, or has none. */
  readonly pid: number | undefined;
  /** The plan as it performs it, and counts its lines. */
  readonly performs: SandboxPlan;
  /** Calls back with the reason when no more frames will come; after the last one nobody listens. */
  onEnd(listener: (reason: TsbuildError) => void): void;
}

/** Gives the plan, its descriptors and streams to a supervisor. */
export type StartSupervisor = (plan: SandboxPlan) => Supervisor;

export function cannotStart(binary: string, cause: Error): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", `cannot start ${binary}: ${cause.message}`, { cause });
}

export function endedEarly(how: string): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", `the sandbox program ended early (${how})`);
}

/** Each in a process that this one starts. Host environment and folder stay here: the program gets none, and the command's come with the plan. */
export function spawnSupervisor(binary: string): StartSupervisor {
  return (plan) => {
    const bytes = encodePlan(plan);
    const stdio = [...STANDARD[plan.stdio], "pipe" as const, ...plan.fds];
    const child = spawn(binary, [], { stdio, env: {}, cwd: "/" });
    const control = child.stdio[3] as Socket;
    control.write(bytes);
    return {
      control,
      pid: child.pid,
      performs: plan,
      onEnd: (listener) => {
        child.on("error", (cause) => listener(cannotStart(binary, cause)));
        child.on("close", (code, signal) => listener(endedEarly(signal ?? `exit status ${code}`)));
      },
    };
  };
}
