import type { CheckReport, Diagnostic } from "@tsbuild/engine";
import { versionText } from "../version.ts";

/** What a rule says of itself. */
export interface RuleText {
  readonly name: string;
  readonly what: string;
  readonly why: string;
}

/** `--format json`: one object; lines count from 1, both ends included. */
export function checkJson({ file, diagnostics }: CheckReport): string {
  const found = diagnostics.map(({ ranges, ...rest }) => ({
    ...rest,
    lines: ranges.map(({ start, end }) => [start, end]),
  }));
  return `${JSON.stringify({ file, diagnostics: found }, undefined, 2)}\n`;
}

/** Property and message texts of a workflow command: line breaks and the signs that end a property. */
function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

const GITHUB: Readonly<Record<Diagnostic["severity"], string>> = {
  error: "error",
  warning: "warning",
  info: "notice",
};

/** `--format github`: an annotation a line, for the log of a GitHub Actions step. */
export function checkGithub({ file, diagnostics }: CheckReport): string {
  return diagnostics
    .map(({ severity, rule, message, hint, ranges: [range], column, line }) => {
      const properties = [
        `file=${escapeProperty(file)}`,
        ...(range === undefined ? [] : [`line=${line ?? range.start}`, `endLine=${range.end}`]),
        ...(column === undefined ? [] : [`col=${column}`]),
        ...(rule === undefined ? [] : [`title=${escapeProperty(rule)}`]),
      ];
      const text = hint === undefined ? message : `${message}\n${hint}`;
      return `::${GITHUB[severity]} ${properties.join(",")}::${escapeData(text)}\n`;
    })
    .join("");
}

const SARIF: Readonly<Record<Diagnostic["severity"], string>> = {
  error: "error",
  warning: "warning",
  info: "note",
};

/** Results without a rule are the compiler's own. */
const NO_RULE = "DockerfileError";

function sarifResult(
  file: string,
  { severity, rule, message, hint, ranges, column, line }: Diagnostic,
): unknown {
  const artifactLocation = { uri: file.split("/").map(encodeURIComponent).join("/") };
  const regions = ranges.length === 0 ? [undefined] : ranges;
  return {
    ruleId: rule ?? NO_RULE,
    level: SARIF[severity],
    message: { text: hint === undefined ? message : `${message} (${hint})` },
    locations: regions.map((range) => ({
      physicalLocation: {
        artifactLocation,
        ...(range === undefined
          ? {}
          : {
              region: {
                startLine: line ?? range.start,
                endLine: range.end,
                ...(column === undefined ? {} : { startColumn: column }),
              },
            }),
      },
    })),
  };
}

function sarifRules({ diagnostics }: CheckReport, rules: readonly RuleText[]): unknown[] {
  const urls = new Map(diagnostics.map(({ rule, url }) => [rule, url]));
  return [...new Set(diagnostics.map(({ rule }) => rule ?? NO_RULE))].map((id) => {
    const text = rules.find(({ name }) => name === id);
    const helpUri = urls.get(id);
    return {
      id,
      ...(text === undefined
        ? {}
        : { shortDescription: { text: text.what }, fullDescription: { text: text.why } }),
      ...(helpUri === undefined ? {} : { helpUri }),
    };
  });
}

/** `--format sarif`: a log of SARIF 2.1.0 with one run. */
export function checkSarif(report: CheckReport, rules: readonly RuleText[]): string {
  const driver = {
    name: "tsbuild",
    version: versionText().split(" ")[1],
    rules: sarifRules(report, rules),
  };
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{ tool: { driver }, results: report.diagnostics.map((one) => sarifResult(report.file, one)) }],
  };
  return `${JSON.stringify(log, undefined, 2)}\n`;
}
