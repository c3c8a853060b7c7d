import { setTimeout as sleep } from "node:timers/promises";
import { TsbuildError } from "@tsbuild/base";
import { durationText, type StepPragma } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";

/** Before the second attempt; then twice as long each time. */
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;

/** Runs the step once; `last`: nobody will try again, so a failure may be kept for looking into. */
type Attempt = (context: OpContext, last: boolean) => Promise<readonly Ref[]>;

/** Runs a step as its pragma asks: as often, and as long each time (W028). Each attempt has a layer of its own. */
export async function runAttempts(
  pragma: StepPragma,
  context: OpContext,
  attempt: Attempt,
): Promise<readonly Ref[]> {
  const { retry = 0, timeoutMs } = pragma;
  for (let number = 1; ; number++) {
    try {
      return await withTimeout(timeoutMs, context, (timed) => attempt(timed, number > retry));
    } catch (error) {
      if (number > retry || !isFailedCommand(error) || context.signal.aborted) throw error;
      say(context, `attempt ${number} of ${retry + 1} failed (${error.message}); trying again`);
    }
    await sleep(Math.min(FIRST_WAIT_MS * 2 ** (number - 1), MAX_WAIT_MS), undefined, {
      signal: context.signal,
    });
  }
}

/** What another attempt may mend: the command itself failed. */
function isFailedCommand(error: unknown): error is TsbuildError {
  return error instanceof TsbuildError && error.code === "TSB_EXEC";
}

function say(context: OpContext, text: string): void {
  const data = new TextEncoder().encode(`tsbuild: ${text}\n`);
  context.emit({ type: "log", at: Date.now(), vertex: context.vertex, stream: 2, data });
}

async function withTimeout<T>(
  timeoutMs: number | undefined,
  context: OpContext,
  work: (context: OpContext) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return work(context);
  const timer = AbortSignal.timeout(timeoutMs);
  try {
    return await work({ ...context, signal: AbortSignal.any([context.signal, timer]) });
  } catch (error) {
    if (!timer.aborted || context.signal.aborted) throw error;
    throw new TsbuildError(
      "TSB_EXEC",
      `the command did not end within ${durationText(timeoutMs)} and was killed`,
      {
        hint: "raise the timeout= in the comment above it, or find out what it waits for: --on-fail=shell",
        cause: error,
      },
    );
  }
}
