import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { TsbuildError } from "@tsbuild/base";
import { type Frame, FrameReader } from "./frames.ts";
import { encodePlan, type SandboxPlan } from "./plan-encode.ts";
import type { ExecIo } from "./spec.ts";

/** Standard streams of the native program: of the caller's, only those that it relays for the step. */
const STANDARD = {
  log: ["ignore", "ignore", "ignore"],
  input: ["inherit", "ignore", "ignore"],
  terminal: ["inherit", "inherit", "ignore"],
} as const;

/** The last word of the native program. */
export type LastFrame = Exclude<Frame, { type: "output" | "network" }>;

/** Beyond the numbers of signals; native/sandbox/src/frames.h. */
const NETWORK_IS_THERE = 255;

/**
 * Starts the native program with a plan and waits for its last frame. `onStart` hears the supervisor's process id. Whatever becomes of
 * this process, the plan's own end with it.
 */
export function perform(
  binary: string,
  plan: SandboxPlan,
  io: ExecIo,
  onStart: (pid: number) => void = () => undefined,
): Promise<LastFrame> {
  return new Promise((resolve, reject) => {
    /* Host environment and folder stay here: the program gets none, and the command's come with the plan. */
    const child = spawn(binary, [], {
      stdio: [...STANDARD[plan.stdio], "pipe", ...plan.fds],
      env: {},
      cwd: "/",
    });
    const control = child.stdio[3] as Socket;
    const frames = new FrameReader();
    let fault: { readonly error: unknown } | undefined;
    /* Hanging up kills PID 1 of the sandbox; the last frame still comes when everything is gone. */
    const hangUp = (): void => void control.end();
    const finish = (settle: () => void): void => {
      io.signal.removeEventListener("abort", hangUp);
      /* The program waits for this after its last frame. */
      hangUp();
      settle();
    };
    const say = (byte: number): void => {
      if (control.writable) control.write(Uint8Array.of(byte));
    };
    const fail = (error: unknown): void => {
      fault ??= { error };
      hangUp();
    };
    const connect = (initPid: number): void => {
      const connected = io.connectNetwork?.(`/proc/${initPid}/ns/net`) ?? Promise.resolve();
      connected.then(() => say(NETWORK_IS_THERE), fail);
    };
    const take = (frame: Frame): void => {
      if (frame.type === "output") (frame.stream === 1 ? io.stdout : io.stderr)(frame.data);
      else if (frame.type === "network") connect(frame.initPid);
      else finish(() => (fault === undefined ? resolve(frame) : reject(fault.error)));
    };
    const guarded = (frame: Frame): void => {
      try {
        take(frame);
      } catch (error) {
        /* The caller cannot take output any more: the step is of no use to it, and its error is what the caller hears. */
        fail(error);
      }
    };
    control.on("data", (chunk: Buffer) => frames.push(chunk).forEach(guarded));
    control.on("error", () => control.destroy());
    child.on("error", (cause) => {
      finish(() =>
        reject(new TsbuildError("TSB_SANDBOX", `cannot start ${binary}: ${cause.message}`, { cause })),
      );
    });
    child.on("close", (code, signal) => {
      const end = signal ?? `exit status ${code}`;
      finish(() => reject(new TsbuildError("TSB_SANDBOX", `the sandbox program ended early (${end})`)));
    });
    io.signal.addEventListener("abort", hangUp);
    control.write(encodePlan(plan));
    io.onStart?.(say);
    if (child.pid !== undefined) onStart(child.pid);
  });
}
