import { type BuildEvent, monotonicMs, TsbuildError } from "@tsbuild/base";
import type { RunningSolve, SolveResult } from "@tsbuild/solver";
import { asStep } from "./export-step.ts";

type Emit = (event: BuildEvent) => void;

const DEFAULT_SECONDS = 60;

/** Seconds without any news after which a build says what it waits for: $TSBUILD_WATCHDOG, 0 for never. Throws TSB_USAGE. */
export function watchdogSeconds(env: Readonly<Record<string, string | undefined>>): number {
  const text = env["TSBUILD_WATCHDOG"] || String(DEFAULT_SECONDS);
  if (/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) return Number(text);
  throw new TsbuildError("TSB_USAGE", `TSBUILD_WATCHDOG: ${JSON.stringify(text)} is no number of seconds`, {
    hint: `for example ${DEFAULT_SECONDS}, or 0 for never`,
  });
}

/**
 * Says who waits for whom when nothing happens any more (W019): another process that builds the same step, a server that does not answer, or a fault of
 * ours. A step that runs and prints nothing is no reason: that is how long steps are.
 */
export class Watchdog {
  readonly #emit: Emit;
  #quietMs: number;
  #lastMs = monotonicMs();

  constructor(seconds: number, emit: Emit) {
    this.#quietMs = seconds * 1000;
    this.#emit = emit;
  }

  /** For the events of the solve: each of them is news. */
  readonly emit = (event: BuildEvent): void => {
    this.#lastMs = monotonicMs();
    this.#emit(event);
  };

  /** Looks on until the solve has ended. */
  async watch(running: RunningSolve): Promise<SolveResult> {
    if (this.#quietMs === 0) return running.result;
    const timer = setInterval(() => this.#look(running), Math.min(this.#quietMs / 4, 5000)).unref();
    try {
      return await running.result;
    } finally {
      clearInterval(timer);
    }
  }

  #look(running: RunningSolve): void {
    const quietMs = monotonicMs() - this.#lastMs;
    if (quietMs < this.#quietMs || running.isWorking()) return;
    this.#lastMs = monotonicMs();
    // Said once, it need not be said often.
    this.#quietMs *= 2;
    const lines = running.describeWaiting().split("\n");
    void asStep(this.#emit, "[internal] what this build waits for", async (_tell, log) => {
      log(`nothing has happened for ${Math.round(quietMs / 1000)} s:`);
      for (const line of lines) log(line);
    });
  }
}
