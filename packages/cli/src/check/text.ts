import type { CheckReport, Diagnostic } from "@tsbuild/engine";
import { sourceWindow } from "../format-error.ts";
import { plural } from "../progress/units.ts";
import { safeLine, safeText } from "../sanitize.ts";
import { count } from "./findings.ts";

const COLORS: Readonly<Record<Diagnostic["severity"], string>> = { error: "31", warning: "33", info: "36" };

function findingLines(report: CheckReport, diagnostic: Diagnostic, color: boolean): string[] {
  const { severity, rule, message, hint, url, ranges, column, line } = diagnostic;
  const { file, text } = report;
  const label = rule === undefined ? `${severity.toUpperCase()}:` : `${severity.toUpperCase()} ${rule}:`;
  const painted = color ? `\x1b[${COLORS[severity]}m${label}\x1b[0m` : label;
  const word = column === undefined ? {} : { column, ...(line === undefined ? {} : { line }) };
  const place = { file, text, ranges, ...word };
  return [
    ...(ranges.length === 0 ? [] : sourceWindow(place)),
    `${painted} ${safeText(message)}`,
    ...(hint === undefined ? [] : [`hint: ${safeText(hint)}`]),
    ...(url === undefined ? [] : [url]),
    "",
  ];
}

function summary(report: CheckReport): string {
  const parts = (["error", "warning", "info"] as const)
    .map((severity) => ({ severity, found: count(report, severity) }))
    .filter(({ found }) => found > 0)
    .map(({ severity, found }) => plural(found, severity === "info" ? "remark" : severity));
  return `${safeLine(report.file)}: ${parts.length === 0 ? "nothing found" : parts.join(", ")}`;
}

/** Findings for people: each with its lines, and a sum at the end. */
export function checkText(report: CheckReport, { color }: { readonly color: boolean }): string {
  const found = report.diagnostics.flatMap((diagnostic) => findingLines(report, diagnostic, color));
  return `${[...found, summary(report)].join("\n")}\n`;
}
