const NANOS = 1_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Whole seconds (rounded down) and the nanoseconds on top, as the kernel wants them: before 1970 too. */
export function splitTime(ns: bigint): { readonly seconds: bigint; readonly nanos: number } {
  const rest = ns % NANOS;
  const nanos = rest < 0n ? rest + NANOS : rest;
  const seconds = (ns - nanos) / NANOS;
  if (seconds > INT64_MAX || seconds < INT64_MIN) throw new RangeError(`${ns} ns is not a time`);
  return { seconds, nanos: Number(nanos) };
}

/** The reverse of `splitTime`. */
export function joinTime(seconds: bigint, nanos: number): bigint {
  return seconds * NANOS + BigInt(nanos);
}
