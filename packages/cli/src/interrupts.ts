import { TsbuildError } from "@tsbuild/base";

/** Status that shells give a process ended by the signal: 128 + its number. */
const STATUS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;
type Interrupt = keyof typeof STATUS;
const CAUGHT = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

export interface Interrupts {
  /** Aborted by the first interrupt, with a TSB_CANCELED error as reason. */
  readonly signal: AbortSignal;
  /** Exit status that the first interrupt asks for, once there was one. */
  status(): number | undefined;
  /** What SIGPIPE would do, if Node let it: nobody reads the result any more. */
  brokenPipe(): void;
  /** From now on Ctrl-C is for the command that has the terminal, not for this process. */
  leaveCtrlC(): void;
  stop(): void;
}

/**
 * C046: the first Ctrl-C (or SIGTERM, SIGHUP) asks everything to stop, and the clean-up is waited for; the second
 * ends the process at once.
 */
export function watchInterrupts(
  source: Pick<NodeJS.Process, "on" | "off">,
  hardExit: (status: number) => void,
): Interrupts {
  const controller = new AbortController();
  let first: Interrupt | undefined;
  let ctrlCIsOurs = true;
  const interrupt = (name: Interrupt) => {
    if (first !== undefined) return hardExit(STATUS[name]);
    first = name;
    controller.abort(new TsbuildError("TSB_CANCELED", "canceled"));
  };
  const onSignal = (name: NodeJS.Signals) => {
    if (name !== "SIGINT" || ctrlCIsOurs) interrupt(name as Interrupt);
  };
  for (const name of CAUGHT) source.on(name, onSignal);
  return {
    signal: controller.signal,
    status: () => (first === undefined ? undefined : STATUS[first]),
    brokenPipe: () => {
      if (first === undefined) interrupt("SIGPIPE");
    },
    leaveCtrlC: () => {
      ctrlCIsOurs = false;
    },
    stop: () => {
      for (const name of CAUGHT) source.off(name, onSignal);
    },
  };
}
