import { TsbuildError } from "@tsbuild/base";
import type { ImageSummary } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";

/** `tsbuild images`: the local store's images, newest first. */
export async function images(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (flags.operands.length > 0) {
    throw new TsbuildError("TSB_USAGE", `images takes no argument: ${flags.operands.join(" ")}`);
  }
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const found = engine.images().toSorted((a, b) => b.createdAt - a.createdAt);
    if (flags.isOn("quiet")) io.stdout.write(found.map((image) => `${image.imageId}\n`).join(""));
    else io.stdout.write(format === "json" ? imagesJson(found) : imagesTable(found, Date.now()));
    return 0;
  } finally {
    await engine.close();
  }
}

/** One object a line; `createdAt` as RFC 3339. */
export function imagesJson(found: readonly ImageSummary[]): string {
  const lines = found.map((image) => ({ ...image, createdAt: new Date(image.createdAt).toISOString() }));
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** Columns with a title each, two blanks apart. */
export function imagesTable(found: readonly ImageSummary[], now: number): string {
  const rows = [
    ["NAME", "IMAGE ID", "CREATED", "SIZE"],
    ...found.map((image) => [
      safeName(image.name),
      image.imageId.replace(/^sha256:/, "").slice(0, 12),
      age(now - image.createdAt),
      image.sizeBytes === undefined ? "-" : formatBytes(image.sizeBytes),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

const AGES = [
  { unit: "year", ms: 365 * 86_400_000 },
  { unit: "month", ms: 30 * 86_400_000 },
  { unit: "week", ms: 7 * 86_400_000 },
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
  { unit: "second", ms: 1000 },
] as const;

/** `3 hours ago`: the largest unit of which there are two; seconds at last. */
export function age(ms: number): string {
  const { unit, ms: length } = AGES.find((candidate) => ms >= 2 * candidate.ms) ?? AGES[AGES.length - 1]!;
  const count = Math.max(0, Math.floor(ms / length));
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}
