import type { BuildRecord } from "@tsbuild/engine";
import { age } from "../commands/images.ts";
import { formatSeconds } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";

/** Columns with a title each, two blanks apart; newest first. */
export function historyTable(builds: readonly BuildRecord[], now: number): string {
  const rows = [
    ["ID", "NAME", "STATUS", "STEPS", "TOOK", "STARTED"],
    ...builds.map((build) => row(build, now)),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function row(build: BuildRecord, now: number): string[] {
  return [
    build.id,
    safeName(build.title),
    build.status,
    stepCounts(build),
    build.status === "crashed" ? "-" : formatSeconds((build.finishedAt ?? now) - build.startedAt),
    age(now - build.startedAt),
  ];
}

/** `3 cached, 2 rebuilt`; loading and exporting do not count. */
export function stepCounts({ steps }: BuildRecord): string {
  const words = [
    ["cached", "cached"],
    ["ok", "rebuilt"],
    ["failed", "failed"],
    ["canceled", "canceled"],
  ] as const;
  const parts = words.flatMap(([status, word]) => {
    const count = steps.filter(
      (step) => step.status === status && step.internal !== true && !step.name.startsWith("[internal]"),
    ).length;
    return count === 0 ? [] : [`${count} ${word}`];
  });
  return parts.length === 0 ? "none" : parts.join(", ");
}
