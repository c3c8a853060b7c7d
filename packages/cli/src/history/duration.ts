import { TsbuildError } from "@tsbuild/base";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `90m`, `36h`, `7d` in milliseconds. Throws TSB_USAGE. */
export function durationMs(flag: string, text: string): number {
  const [, number, unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const ms = Number(number) * (UNIT_MS[unit] ?? Number.NaN);
  if (!Number.isNaN(ms)) return ms;
  throw new TsbuildError("TSB_USAGE", `${flag} ${JSON.stringify(text)} is not a time`, {
    hint: `for example ${flag} 90m, 36h or 7d`,
  });
}
