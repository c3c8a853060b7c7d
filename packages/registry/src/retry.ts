import { setTimeout as sleep } from "node:timers/promises";

/** How long to be patient with a registry (R009, W015). Injected in tests, so that none of them sleeps. */
export interface Patience {
  /** Tries of one request, and of one transfer without a byte of progress. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** The longest Retry-After that is waited for; a registry that asks for more is an error that says so. */
  readonly maxRetryAfterMs: number;
  /** Longest silence of a peer: for its answer, and between two pieces of a body in either direction. */
  readonly idleMs: number;
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly now: () => number;
}

export const defaultPatience: Patience = {
  attempts: 6,
  firstDelayMs: 250,
  maxDelayMs: 8_000,
  maxRetryAfterMs: 120_000,
  idleMs: 60_000,
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  },
  now: Date.now,
};

/** Told before each wait. */
export interface RetryNotice {
  /** `127.0.0.1:5000 answered 429`. */
  readonly reason: string;
  readonly delayMs: number;
}

/** Doubled from try to try, within bounds. */
export function backoffMs(patience: Patience, attempt: number): number {
  return Math.min(patience.firstDelayMs * 2 ** (attempt - 1), patience.maxDelayMs);
}

/** Retry-After as milliseconds from now: seconds or an HTTP date (RFC 9110 section 10.2.3). Undefined when it is neither. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
