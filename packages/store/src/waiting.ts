import { setTimeout as sleep } from "node:timers/promises";
import { TsbuildError } from "@tsbuild/base";

const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 50;

export function canceled(signal: AbortSignal): TsbuildError {
  if (signal.reason instanceof TsbuildError) return signal.reason;
  return new TsbuildError("TSB_CANCELED", "canceled while waiting for another build", {
    cause: signal.reason,
  });
}

/**
 * Asks again and again until `attempt` gives something. flock() can wait by itself only by blocking a thread that nothing can
 * wake on abort. Another process's step takes seconds as a rule: a pause of 50 ms costs little beside it.
 */
export async function poll<T>(attempt: () => T | undefined, signal: AbortSignal): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    if (signal.aborted) throw canceled(signal);
    const got = attempt();
    if (got !== undefined) return got;
    try {
      await sleep(waitMs, undefined, { signal });
    } catch {
      throw canceled(signal);
    }
  }
}
