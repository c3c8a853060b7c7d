import { TsbuildError } from "@tsbuild/base";
import type { FsckReport } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { safeLine } from "../sanitize.ts";

/** `tsbuild fsck`: ends with 1 when damage is left. */
export async function fsck(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (flags.operands.length > 0) {
    throw new TsbuildError("TSB_USAGE", `fsck takes no argument: ${flags.operands.join(" ")}`);
  }
  const format = oneOf("--format", flags.last("format") ?? "text", ["text", "json"]);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const upkeep = await engine.upkeep();
    const report = await upkeep.check({ deep: flags.isOn("deep"), repair: flags.isOn("repair") });
    io.stdout.write(format === "json" ? `${JSON.stringify(report)}\n` : reportText(report, flags));
    return report.problems.every(({ repaired }) => repaired) ? 0 : 1;
  } finally {
    await engine.close();
  }
}

function reportText({ problems, checked }: FsckReport, flags: ParsedFlags): string {
  const lines = problems.map(
    ({ kind, subject, message, repaired }) =>
      `${kind} ${safeLine(subject)}: ${safeLine(message)}${repaired ? " (repaired)" : ""}\n`,
  );
  const { snapshots, blobs, records } = checked;
  const left = problems.filter(({ repaired }) => !repaired).length;
  const found =
    problems.length === 0
      ? "no damage"
      : left === 0
        ? "all damage repaired"
        : `${left} of ${problems.length} left`;
  const hint = left > 0 && !flags.isOn("repair") ? "; tsbuild fsck --repair mends it" : "";
  return `${lines.join("")}${snapshots} snapshots, ${records} records, ${blobs} blobs${
    flags.isOn("deep") ? " read" : ""
  }: ${found}${hint}\n`;
}
