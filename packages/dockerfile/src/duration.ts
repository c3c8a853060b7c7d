const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const DURATION = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const MAX_NS = 2 ** 63;

/**
 * Nanoseconds of a text like `1h30m`, `1.5s` or `0`, as Go's time.ParseDuration reads it; undefined when it is
 * none or does not fit 64 bits.
 */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)([a-zµμ]+)/g)) {
    total += Number(count) * UNIT_NS[unit!]!;
  }
  if (total >= MAX_NS) return undefined;
  return text.startsWith("-") ? -Math.trunc(total) : Math.trunc(total);
}
