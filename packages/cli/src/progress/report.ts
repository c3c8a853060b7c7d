import type { TsbuildError } from "@tsbuild/base";
import type { BuildResult } from "@tsbuild/engine";
import { safeLine, safeName } from "../sanitize.ts";
import { partialText } from "./log-lines.ts";
import { type BuildState, type BuildWarning, isEnded, type LogLine, type Step } from "./state.ts";
import { formatBytes, formatSeconds, logTime, plural } from "./units.ts";

/** How a build ended: exactly one of the two. */
export interface BuildOutcome {
  readonly result?: BuildResult | undefined;
  readonly error?: unknown;
}

/** Lines of a failed step's output that are printed once more at the end. */
const FAILURE_LINES = 20;

/** The step that a failure is about: the one that the error names, else the first that failed by itself. */
export function failedStep(state: BuildState, error: TsbuildError | undefined): Step | undefined {
  const named = error?.vertex === undefined ? undefined : state.indexOf.get(error.vertex);
  if (named !== undefined) return state.steps.at(named);
  return state.steps.find((step) => step.status === "failed");
}

/** The last lines of the failed step's output, under its name, between rules; nothing when it has no output. */
export function failureTail(state: BuildState, error: TsbuildError | undefined): string[] {
  const step = failedStep(state, error);
  if (step === undefined) return [];
  const kept = logTail(step);
  const lines = kept.slice(-FAILURE_LINES);
  if (lines.length === 0) return [];
  const rule = "------";
  return [
    rule,
    ` > ${safeName(step.name)}:`,
    ...lines.map((line) => `${logTime(line.sinceMs)} ${safeLine(line.text)}`.trimEnd()),
    rule,
    ...(kept.length > lines.length ? wholeLog(state) : []),
  ];
}

/** What shows all that a failed step printed (W004). */
function wholeLog({ record }: BuildState): string[] {
  return record?.failedStep === undefined
    ? []
    : [`all of it: tsbuild logs ${record.id} ${record.failedStep}`];
}

/** The kept lines of a step, with what stands after the last line break. */
export function logTail(step: Step): LogLine[] {
  const sinceMs = (step.endedAt ?? step.startedAt ?? 0) - (step.startedAt ?? 0);
  const partial = step.log.rest.map(partialText).filter((text) => text !== "");
  return [...step.log.lines, ...partial.map((text) => ({ sinceMs, text }))];
}

/** Why a step ran, when that is worth reading: in the first build of a project it is not. */
export function rebuildReason(step: Step): string | undefined {
  if (step.reason === undefined || step.reason.kind === "first-build") return undefined;
  return safeName(step.reason.text);
}

/** ` 2 warnings:` and one line for each, with its place. */
export function warningLines(warnings: readonly BuildWarning[]): string[] {
  if (warnings.length === 0) return [];
  return [
    `${plural(warnings.length, "warning")}:`,
    ...warnings.flatMap((warning) => [
      ` - ${warning.rule === undefined ? "" : `${safeName(warning.rule)}: `}${safeName(warning.message)}${place(warning)}`,
      ...(warning.url === undefined ? [] : [`   ${safeName(warning.url)}`]),
    ]),
  ];
}

function place(warning: BuildWarning): string {
  const line = warning.ranges?.[0]?.start;
  if (warning.file === undefined) return line === undefined ? "" : ` (line ${line})`;
  return ` (${safeName(warning.file)}${line === undefined ? "" : `:${line}`})`;
}

/** And not loading a context or exporting. */
export function isOfDockerfile({ name, members }: Step): boolean {
  return !name.startsWith("[internal]") && !members.some(({ vertex }) => vertex.internal);
}

/** Steps of the Dockerfile count; others do only when they went wrong. */
function counts(step: Step): boolean {
  return isOfDockerfile(step) || step.status === "failed" || step.status === "canceled";
}

/** `built in 4.2s: 3 cached, 2 rebuilt`; a fully cached build is a matter of milliseconds. */
export function countLine(state: BuildState, verb: string): string {
  const ended = state.steps.filter(isEnded).filter(counts);
  const count = (status: Step["status"]) => ended.filter((step) => step.status === status).length;
  const parts = (["cached", "rebuilt", "failed", "canceled"] as const)
    .map((status) => ({ status, steps: count(status) }))
    .filter((part) => part.steps > 0)
    .map((part) => `${part.steps} ${part.status}`);
  const ms = (state.endedAt ?? 0) - (state.startedAt ?? 0);
  const took = ms < 1000 ? `${Math.round(ms)}ms` : formatSeconds(ms);
  return parts.length === 0 ? `${verb} in ${took}` : `${verb} in ${took}: ${parts.join(", ")}`;
}

/** `image sha256:…` and its names, how much larger it is than before, and stages that were not built. */
export function imageLines(result: BuildResult | undefined): string[] {
  if (result === undefined) return [];
  const id = result.imageId ?? result.manifest;
  const named =
    id === undefined ? [] : [`image ${id}`, ...result.names.map((name) => `named ${safeName(name)}`)];
  return [...named, ...growthLine(result), ...skippedLine(result)];
}

/** W017: a change that costs nothing is not worth a line. */
function growthLine({ growth }: BuildResult): string[] {
  if (growth === undefined || growth.bytes === growth.beforeBytes) return [];
  const { bytes, beforeBytes } = growth;
  const difference = formatBytes(Math.abs(bytes - beforeBytes));
  return [`size ${formatBytes(bytes)}, ${difference} ${bytes > beforeBytes ? "more" : "less"} than before`];
}

/** W022 */
function skippedLine({ skippedStages = [] }: BuildResult): string[] {
  if (skippedStages.length === 0) return [];
  return [`skipped ${skippedStages.map(safeName).join(", ")} (--all-stages builds all)`];
}
