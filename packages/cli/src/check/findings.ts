import type { CheckReport, Diagnostic } from "@tsbuild/engine";

/** From mild to severe. */
const SEVERITIES = ["info", "warning", "error"] as const;

export type Threshold = Diagnostic["severity"] | "never";

export function count({ diagnostics }: CheckReport, severity: Diagnostic["severity"]): number {
  return diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
}

/** 1 when there is a finding of the severity `failOn` or a higher one. */
export function checkStatus(report: CheckReport, failOn: Threshold): number {
  if (failOn === "never") return 0;
  const counted = SEVERITIES.slice(SEVERITIES.indexOf(failOn));
  return counted.some((severity) => count(report, severity) > 0) ? 1 : 0;
}
