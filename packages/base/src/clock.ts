/**
 * Milliseconds, with fractions, of a clock that never goes back. `performance.now()` has the same; but its first call loads a module of Node that takes
 * 2 ms, which is a twentieth of a cached build.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

const start = Date.now() - monotonicMs();

/** The time since the epoch by that clock: what of two events came first also has the smaller time. */
export function epochMs(): number {
  return start + monotonicMs();
}
