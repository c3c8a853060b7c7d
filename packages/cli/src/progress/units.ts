/** Seconds with one decimal, e.g. `1.2s`; minutes from two of them on, e.g. `2m05s`. */
export function formatSeconds(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)}s`;
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
}

/** Seconds since a step began, five characters wide as long as that is possible: `0.123`, `12.34`, `123.4`. */
export function logTime(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  const decimals = seconds < 9.9995 ? 3 : seconds < 99.995 ? 2 : seconds < 999.95 ? 1 : 0;
  return seconds.toFixed(decimals);
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Decimal units as registries count them: `12.3MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${Math.round(value)}B` : `${value.toFixed(value < 99.95 ? 2 : 1)}${UNITS[unit]}`;
}

/** `3 steps`, `1 step`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
