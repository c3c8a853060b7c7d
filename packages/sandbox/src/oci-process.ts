/** The process that mounts a bundle's root and starts the runtime in it. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { TsbuildError } from "@tsbuild/base";
import { FrameReader } from "./frames.ts";
import { setupError } from "./outcome.ts";
import { encodePlan, type SandboxPlan } from "./plan-encode.ts";
import type { ExecIo, ExecSpec } from "./spec.ts";

export interface OciProcess {
  readonly program: string;
  readonly args: readonly string[];
  /** What it mounts in the root; its descriptors begin at `FIRST_PLAN_FD`. */
  readonly mounts: SandboxPlan;
  readonly stdio: ExecSpec["stdio"];
}

/** Number of the first descriptor of a plan in the program (native/sandbox/src/sandbox.h); the one before is the control socket. */
export const FIRST_PLAN_FD = 4;

/** What the program says before the runtime runs: that a mount has failed. */
function hearFailure(control: Socket, mounts: SandboxPlan, onFailure: (error: unknown) => void): void {
  const frames = new FrameReader();
  control.on("data", (chunk: Buffer) => {
    for (const frame of frames.push(chunk)) if (frame.type === "failed") onFailure(setupError(mounts, frame));
    control.end();
  });
  control.on("error", () => control.destroy());
  control.write(encodePlan(mounts));
}

/** Settles when no process of the step is left. */
export function startOci({ program, args, mounts, stdio }: OciProcess, io: ExecIo): Promise<number> {
  const output = stdio === "terminal" ? "inherit" : "pipe";
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [stdio === "log" ? "ignore" : "inherit", output, output, "pipe", ...mounts.fds],
      /* Ctrl-C reaches a process group: it is for this process to pass on. A terminal's size is told to its session only. */
      detached: stdio !== "terminal",
      env: { PATH: process.env["PATH"] },
      cwd: "/",
    });
    let fault: { readonly error: unknown } | undefined;
    const kill = (): void => void child.kill("SIGKILL");
    const passOn = (take: (chunk: Uint8Array) => void) => (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        fault ??= { error };
        kill();
      }
    };
    io.onStart?.((signal) => void child.kill(signal));
    child.stdout?.on("data", passOn(io.stdout));
    child.stderr?.on("data", passOn(io.stderr));
    hearFailure(child.stdio[3] as Socket, mounts, (error) => {
      fault ??= { error };
    });
    io.signal.addEventListener("abort", kill);
    if (io.signal.aborted) kill();
    child.on("error", (cause) => {
      reject(new TsbuildError("TSB_SANDBOX", `cannot start ${program}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      io.signal.removeEventListener("abort", kill);
      if (fault !== undefined) reject(fault.error);
      else resolve(code ?? (signal === "SIGKILL" ? 137 : 128));
    });
  });
}
