import { TsbuildError } from "@tsbuild/base";
import type { CollectReport, PruneRequest, Size } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes, plural } from "../progress/units.ts";
import { safeLine } from "../sanitize.ts";
import { parseFilters } from "../upkeep/filter.ts";
import { columns } from "../upkeep/table.ts";
import { confirm } from "./confirm.ts";

/** `tsbuild prune` (C032). */
export async function prune(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (flags.operands.length > 0) {
    throw new TsbuildError("TSB_USAGE", `prune takes no argument: ${flags.operands.join(" ")}`);
  }
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  const request = await pruneRequest(flags, io);
  if (!request.dryRun && !flags.isOn("force") && !(await confirmed(request, io))) return 1;
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const report = await (await engine.upkeep()).prune(request);
    const { dryRun } = request;
    io.stdout.write(
      format === "json"
        ? `${JSON.stringify({ dryRun, ...report })}\n`
        : reportText(report, { dryRun, verbose: flags.isOn("verbose") }),
    );
    return 0;
  } finally {
    await engine.close();
  }
}

async function pruneRequest(flags: ParsedFlags, io: CommandIo): Promise<PruneRequest> {
  const { parseAge, parseSize } = await import("@tsbuild/engine/sizes");
  const size = (...names: readonly string[]): Size | undefined => {
    const name = names.find((one) => flags.last(one) !== undefined);
    return name === undefined ? undefined : parseSize(`--${name}`, flags.last(name) ?? "");
  };
  return {
    all: flags.isOn("all"),
    matches: parseFilters(flags.all("filter"), parseAge),
    maxUsed: size("max-used", "max-used-space", "keep-storage"),
    minFree: size("min-free", "min-free-space"),
    reserved: size("reserved", "reserved-space"),
    dryRun: flags.isOn("dry-run"),
    signal: io.signal,
  };
}

function confirmed({ all }: PruneRequest, io: CommandIo): Promise<boolean> {
  const kept = all
    ? "images and running builds"
    : "images, running builds and the last builds of each project";
  return confirm(`This removes from the state folder what is not needed by ${kept}.`, io);
}

const SHOWN = 20;

export function reportText(
  report: CollectReport,
  { dryRun, verbose }: { readonly dryRun: boolean; readonly verbose: boolean },
): string {
  const shown = verbose ? report.removed : report.removed.slice(0, SHOWN);
  const rows = shown.map(({ record, why }) => [
    formatBytes(record.sizeBytes),
    record.type,
    why,
    safeLine(record.description),
  ]);
  const more = report.removed.length - shown.length;
  const list = rows.length === 0 ? "" : columns([["SIZE", "TYPE", "WHY", "DESCRIPTION"], ...rows], [0]);
  const verb = dryRun ? "would remove" : "removed";
  return [
    list,
    more > 0 ? `and ${more} more (--verbose lists them)\n` : "",
    `${verb} ${plural(report.removed.length, "entry").replace(/entrys/, "entries")}, ${formatBytes(report.removedBytes)}; `,
    `${formatBytes(report.usedBytes)} ${dryRun ? "would stay" : "in use"}, ${formatBytes(report.freeBytes)} free on the disk\n`,
  ].join("");
}
