import { TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes } from "../progress/units.ts";
import { safeLine } from "../sanitize.ts";
import { groups, totals, usageBlocks, usageTable, VIEWS } from "../upkeep/du-views.ts";
import { parseFilters } from "../upkeep/filter.ts";
import { columns } from "../upkeep/table.ts";

/** `tsbuild du`: what takes room, and why it is kept (C031). */
export async function du(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (flags.operands.length > 0) {
    throw new TsbuildError("TSB_USAGE", `du takes no argument: ${flags.operands.join(" ")}`);
  }
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  const by = flags.last("by");
  const view = by === undefined ? undefined : oneOf("--by", by, VIEWS);
  const { parseAge } = await import("@tsbuild/engine/sizes");
  const matches = parseFilters(flags.all("filter"), parseAge);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const usage = await (await engine.upkeep()).usage();
    const records = usage.records.filter(matches);
    if (view !== undefined) {
      const found = groups(view, records);
      const rows = found.map(({ name, sizeBytes, entries }) => [
        formatBytes(sizeBytes),
        String(entries),
        safeLine(name),
      ]);
      const table = columns([["SIZE", "ENTRIES", view.toUpperCase()], ...rows], [0, 1]);
      io.stdout.write(format === "json" ? jsonLines(found) : table);
    } else if (format === "json") {
      const { totalBytes, reclaimableBytes, freeBytes, diskBytes, root } = usage;
      io.stdout.write(
        `${JSON.stringify({ root, totalBytes, reclaimableBytes, freeBytes, diskBytes, records })}\n`,
      );
    } else {
      io.stdout.write(flags.isOn("verbose") ? usageBlocks(records) : usageTable(records, Date.now()));
      io.stdout.write(`${flags.isOn("verbose") ? "" : "\n"}${totals(usage, records)}`);
    }
    return 0;
  } finally {
    await engine.close();
  }
}

function jsonLines(objects: readonly object[]): string {
  return objects.map((one) => `${JSON.stringify(one)}\n`).join("");
}
