import { monotonicMs, TsbuildError } from "@tsbuild/base";

/** Status that shells give a process ended by the signal: 128 + its number. */
const STATUS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;
type Interrupt = keyof typeof STATUS;
const CAUGHT = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
/** What else a command may want to hear. */
const FORWARDED = ["SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** 128 + SIGKILL: the status of a command that did not end when it was asked to. */
const KILLED = 137;
const IMPATIENT_MS = 3_000;
const GRACE_MS = 10_000;

export type SendSignal = (name: NodeJS.Signals) => void;

export interface Interrupts {
  /** Aborted by the first interrupt, with a TSB_CANCELED error as reason. */
  readonly signal: AbortSignal;
  /** Exit status that the first interrupt asks for, once there was one. */
  status(): number | undefined;
  /** What SIGPIPE would do, if Node let it: nobody reads the result any more. */
  brokenPipe(): void;
  /** What is printed cannot be kept (a full disk): the command is given up, and failed. */
  outputLost(): void;
  /**
   * From now on signals are for a command: they are passed on to it, as `docker run` does. It is killed (status 137) by the second SIGINT or
   * SIGTERM within seconds, and when it is still there a while after SIGTERM or SIGHUP.
   */
  forward(send: SendSignal): void;
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
  let status: number | undefined;
  let relay: SignalRelay | undefined;
  const interrupt = (wanted: number, name: Interrupt) => {
    if (status !== undefined) return hardExit(STATUS[name]);
    status = wanted;
    controller.abort(new TsbuildError("TSB_CANCELED", "canceled"));
  };
  const onSignal = (name: NodeJS.Signals) => {
    if (relay === undefined || status !== undefined) interrupt(STATUS[name as Interrupt], name as Interrupt);
    else relay.take(name);
  };
  const onlyForward = (name: NodeJS.Signals) => relay?.take(name);
  for (const name of CAUGHT) source.on(name, onSignal);
  return {
    signal: controller.signal,
    status: () => status,
    brokenPipe: () => {
      if (status === undefined) interrupt(STATUS.SIGPIPE, "SIGPIPE");
    },
    outputLost: () => {
      if (status === undefined) interrupt(1, "SIGPIPE");
    },
    forward: (send) => {
      if (relay === undefined) for (const name of FORWARDED) source.on(name, onlyForward);
      relay?.stop();
      relay = relaySignals(send, () => {
        if (status === undefined) interrupt(KILLED, "SIGTERM");
      });
    },
    stop: () => {
      relay?.stop();
      for (const name of CAUGHT) source.off(name, onSignal);
      for (const name of FORWARDED) source.off(name, onlyForward);
    },
  };
}

interface SignalRelay {
  take(name: NodeJS.Signals): void;
  stop(): void;
}

/** Passes signals on; `kill` when asking has not helped. */
function relaySignals(send: SendSignal, kill: () => void): SignalRelay {
  let lastMs = Number.NEGATIVE_INFINITY;
  let grace: NodeJS.Timeout | undefined;
  return {
    take: (name) => {
      send(name);
      if (name === "SIGTERM" || name === "SIGHUP") grace ??= setTimeout(kill, GRACE_MS).unref();
      if (name !== "SIGTERM" && name !== "SIGINT") return;
      if (monotonicMs() - lastMs < IMPATIENT_MS) kill();
      lastMs = monotonicMs();
    },
    stop: () => clearTimeout(grace),
  };
}
