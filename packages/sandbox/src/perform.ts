import { type Frame, FrameReader } from "./frames.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import type { ExecIo } from "./spec.ts";
import type { StartSupervisor } from "./supervisor.ts";

/** The last word of the native program. */
export type LastFrame = Exclude<Frame, { type: "output" | "network" }>;

export interface Performed {
  readonly last: LastFrame;
  /** In which a failure names its line. */
  readonly plan: SandboxPlan;
}

/** Beyond the numbers of signals; native/sandbox/src/frames.h. */
const NETWORK_IS_THERE = 255;

/**
 * Has a supervisor perform a plan and waits for its last frame. `onStart` hears the supervisor's process id, if this process is its parent.
 * Whatever becomes of this process, the plan's own end with it.
 */
export function perform(
  start: StartSupervisor,
  plan: SandboxPlan,
  io: ExecIo,
  onStart: (pid: number) => void = () => undefined,
): Promise<Performed> {
  return new Promise((resolve, reject) => {
    const supervisor = start(plan);
    const { control, pid, performs } = supervisor;
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
      else
        finish(() => (fault === undefined ? resolve({ last: frame, plan: performs }) : reject(fault.error)));
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
    supervisor.onEnd((reason) => finish(() => reject(reason)));
    io.signal.addEventListener("abort", hangUp);
    io.onStart?.(say);
    if (pid !== undefined) onStart(pid);
  });
}
