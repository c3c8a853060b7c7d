import { TsbuildError } from "@tsbuild/base";
import type { Size } from "@tsbuild/store";

const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["m", 1e6],
  ["g", 1e9],
  ["t", 1e12],
  ["ki", 2 ** 10],
  ["mi", 2 ** 20],
  ["gi", 2 ** 30],
  ["ti", 2 ** 40],
]);

/**
 * `50GB`, `512MiB`, `20%` of the file system, or both between a comma: whichever is less. Decimal units as `du` prints them. Throws
 * TSB_USAGE naming `what`.
 */
export function parseSize(what: string, text: string): Size {
  const parts = text.split(",").map((part) => parsePart(part.trim()));
  const bytes = parts.flatMap((part) => part?.bytes ?? []);
  const percents = parts.flatMap((part) => part?.percent ?? []);
  if (parts.includes(undefined) || bytes.length > 1 || percents.length > 1) {
    throw new TsbuildError("TSB_USAGE", `${what} ${JSON.stringify(text)} is not a size`, {
      hint: "for example 50GB, 512MiB, 20% of the disk, or 20%,50GB: the lesser of both",
    });
  }
  return { bytes: bytes[0], percent: percents[0] };
}

function parsePart(text: string): Size | undefined {
  const [, number = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?)\s*(%|[kmgt]?i?b?)$/i.exec(text) ?? [];
  if (number === "") return undefined;
  if (unit === "%") return Number(number) <= 100 ? { percent: Number(number) } : undefined;
  const factor = UNITS.get(unit.toLowerCase().replace(/b$/, ""));
  return factor === undefined ? undefined : { bytes: Math.round(Number(number) * factor) };
}

const TIMES: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 7 * 86_400_000],
]);

/** `24h`, `1h30m`, `60d`: milliseconds. Throws TSB_USAGE naming `what`. */
export function parseAge(what: string, text: string): number {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,6})?)(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) {
    throw new TsbuildError("TSB_USAGE", `${what} ${JSON.stringify(text)} is not a span of time`, {
      hint: "for example 24h, 90m or 30d",
    });
  }
  return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (TIMES.get(unit) ?? 0), 0);
}
