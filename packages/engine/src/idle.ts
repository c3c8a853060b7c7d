import { monotonicMs } from "@tsbuild/base";

/** Time between two looks at how busy this thread is. */
const LOOK_MS = 10;
/** A timer that comes no later than that finds a thread with little to do. */
const PUNCTUAL_MS = 4;
/** Punctual timers in a row when a step runs: others may be about to start. */
const LOOKS_AT_A_STEP = 1;
/** A crowded machine lets no timer be punctual: after so many looks at a step it is done all the same. */
const LOOKS_AT_MOST = 20;
/** Punctual timers without a step: then much is being copied or fetched, which nobody here can hurry. */
const LOOKS = 10;

/** A moment to do something else. */
export interface IdleWatch {
  /** A step's process is on its way. */
  readonly onRunning: () => void;
  readonly stop: () => void;
}

/** This thread waits for its steps when it takes less of a processor than that, as a part of one. */
const QUIET_PART = 0.1;
/** Looks in a row that find it so. */
const QUIET_LOOKS = 2;

/** Calls `then` when this thread has nothing to do for a while, and once more at a step: by then the base is here. */
export function whenIdle(then: (isRunning: boolean) => void): IdleWatch {
  let isRunning = false;
  let punctual = 0;
  let looks = 0;
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const due = monotonicMs() + LOOK_MS;
    timer = setTimeout(() => {
      punctual = monotonicMs() - due <= PUNCTUAL_MS ? punctual + 1 : 0;
      looks++;
      const isIdle = punctual >= (isRunning ? LOOKS_AT_A_STEP : LOOKS);
      if (isIdle || (isRunning && looks >= LOOKS_AT_MOST)) then(isRunning);
      else look();
    }, LOOK_MS);
  };
  const onRunning = (): void => {
    if (isRunning) return;
    isRunning = true;
    punctual = 0;
    looks = 0;
    clearTimeout(timer);
    look();
  };
  look();
  return { onRunning, stop: () => clearTimeout(timer) };
}

/** Node 22 cannot tell of one thread. */
const cpuUsage = process.threadCpuUsage ?? process.cpuUsage;

/** Calls `then` once, when steps run and this thread has had nothing to do but to wait for them. */
export function whenQuiet(then: () => void): IdleWatch {
  let timer: NodeJS.Timeout | undefined;
  const look = (quiet: number): void => {
    const before = cpuUsage();
    const since = monotonicMs();
    timer = setTimeout(() => {
      const { user, system } = cpuUsage(before);
      const isQuiet = (user + system) / 1000 < QUIET_PART * (monotonicMs() - since);
      if (isQuiet && quiet + 1 === QUIET_LOOKS) then();
      else look(isQuiet ? quiet + 1 : 0);
    }, LOOK_MS);
  };
  const onRunning = (): void => {
    if (timer === undefined) look(0);
  };
  return { onRunning, stop: () => clearTimeout(timer) };
}
