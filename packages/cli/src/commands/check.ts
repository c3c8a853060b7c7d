import { readFile } from "node:fs/promises";
import { TsbuildError } from "@tsbuild/base";
import type { CheckReport, Inspection } from "@tsbuild/engine";
import { checkStatus } from "../check/findings.ts";
import { checkGithub, checkJson, checkSarif } from "../check/machine.ts";
import { checkText } from "../check/text.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { hasColors } from "../progress/mode.ts";
import { replaceFile } from "./fmt.ts";
import { withInspection } from "./inspect-request.ts";

const FORMATS = ["text", "json", "sarif", "github"] as const;

/** `tsbuild check`: findings to standard output; ends with 1 when one is severe enough. */
export async function check(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const format = oneOf("--format", flags.last("format") ?? "text", FORMATS);
  const thresholds = ["error", "warning", "info", "never"] as const;
  const failOn = oneOf("--fail-on", flags.last("fail-on") ?? "warning", thresholds);
  const report = await withInspection(flags, io, (inspect) =>
    flags.isOn("fix") ? fixAndCheck(flags, inspect, io) : inspect().then((inspection) => inspection.check()),
  );
  io.stdout.write(await formatted(report, format, io));
  return checkStatus(report, failOn);
}

async function formatted(
  report: CheckReport,
  format: (typeof FORMATS)[number],
  io: CommandIo,
): Promise<string> {
  switch (format) {
    case "json":
      return checkJson(report);
    case "github":
      return checkGithub(report);
    case "sarif":
      return checkSarif(report, (await import("@tsbuild/engine/debug")).CATALOGUE);
    case "text":
      return checkText(report, { color: hasColors(io.stdout, io.env) });
  }
}

/** A repair may make room for another one, but not for ever. */
const MAX_ROUNDS = 5;

/** Repairs the file, as often as there is something to repair; resolves with what is left. */
async function fixAndCheck(
  flags: ParsedFlags,
  inspect: () => Promise<Inspection>,
  io: CommandIo,
): Promise<CheckReport> {
  if (flags.operands[0] === "-" || flags.last("file") === "-")
    throw new TsbuildError("TSB_USAGE", "--fix repairs a file, and standard input is none");
  const { fixDiagnostics } = await import("@tsbuild/engine/debug");
  let report = await (await inspect()).check();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { text, fixed } = fixDiagnostics(report);
    if (text === report.text) break;
    await write(report, text);
    for (const { rule, ranges } of fixed)
      io.stderr.write(`fixed ${report.file}:${ranges[0]?.start} ${rule}\n`);
    report = await (await inspect()).check();
  }
  return report;
}

/** Refuses a file whose bytes are not those that were checked: it has changed, or is not UTF-8. */
async function write({ file, text: before }: CheckReport, after: string): Promise<void> {
  const bytes = await readFile(file);
  if (!bytes.equals(Buffer.from(before)))
    throw new TsbuildError(
      "TSB_EXPORT",
      `${file} has changed meanwhile, or is not UTF-8: nothing is repaired`,
    );
  await replaceFile(file, after);
}
