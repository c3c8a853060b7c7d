import { TsbuildError } from "@tsbuild/base";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `90m`, `1h30m`, `7d` in milliseconds. Throws TSB_USAGE. */
export function durationMs(flag: string, text: string): number {
  if (/^(?:\d{1,9}[smhdw])+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+)([smhdw])/g)];
    return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNIT_MS[unit] ?? 0), 0);
  }
  throw new TsbuildError("TSB_USAGE", `${flag} ${JSON.stringify(text)} is not a time`, {
    hint: `for example ${flag} 90m, 36h or 7d`,
  });
}
