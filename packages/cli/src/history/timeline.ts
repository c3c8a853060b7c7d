import type { BuildRecord, StepRecord } from "@tsbuild/engine";
import { formatBytes, formatSeconds } from "../progress/units.ts";
import { displayWidth, fit } from "../progress/width.ts";
import { safeName } from "../sanitize.ts";
import { criticalPath } from "./critical-path.ts";
import { stepCounts } from "./table.ts";

interface TimelineOptions {
  readonly columns: number;
  /** Milliseconds since the epoch: the end of a build that is at work. */
  readonly now: number;
}

const MIN_NAME_COLUMNS = 20;
const BAR_COLUMNS = 24;

/** What a build did when: a row per step with its bar, `*` on the critical path, and why it ran. */
export function timeline(build: BuildRecord, options: TimelineOptions): string {
  const start = build.startedAt;
  const ends = build.steps.map((step) => step.endedAt ?? step.startedAt);
  const end = build.finishedAt ?? (build.status === "running" ? options.now : Math.max(start, ...ends));
  const critical = criticalPath(build);
  const rows = build.steps.flatMap((step) =>
    stepRows(step, { ...options, start, end, isCritical: critical.has(step) }),
  );
  return [...head(build, end), "", ...rows, "", ...totals(build, critical)]
    .map((line) => `${line}\n`)
    .join("");
}

function head(build: BuildRecord, end: number): string[] {
  const { request, dockerfile, error } = build;
  const args = Object.entries(request.buildArgs).map(([name, value]) =>
    value === null ? name : `${name}=${value}`,
  );
  const facts: [string, string | undefined][] = [
    ["build", `${build.id}  ${build.title}`],
    ["status", `${build.status} after ${formatSeconds(end - build.startedAt)}`],
    ["started", new Date(build.startedAt).toISOString()],
    ["context", request.context],
    [
      "dockerfile",
      dockerfile === undefined ? undefined : `${dockerfile.file}  ${dockerfile.digest.slice(0, 19)}`,
    ],
    ["target", request.target],
    ["arguments", args.length === 0 ? undefined : args.join(" ")],
    ["image", build.imageId],
    ["error", error === undefined ? undefined : `${error.code}: ${error.message}`],
  ];
  return facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(11)}${safeName(value)}`],
  );
}

interface RowOptions extends TimelineOptions {
  readonly start: number;
  readonly end: number;
  readonly isCritical: boolean;
}

function stepRows(step: StepRecord, options: RowOptions): string[] {
  const mark = options.isCritical ? "*" : " ";
  const took = took8(step, options.end);
  const size = step.sizeBytes === undefined ? "" : formatBytes(step.sizeBytes);
  const room = Math.max(MIN_NAME_COLUMNS, options.columns - BAR_COLUMNS - 26);
  const name = fit(safeName(step.name), room, "…");
  const blanks = " ".repeat(Math.max(0, room - displayWidth(name)));
  const line = `${mark}${String(step.number).padStart(3)} ${name}${blanks} ${bar(step, options)} ${took} ${size.padStart(8)}`;
  const why = reasonText(step);
  return [
    line.trimEnd(),
    ...(why === undefined ? [] : [`     ${fit(why, Math.max(1, options.columns - 5), "…")}`]),
  ];
}

function took8(step: StepRecord, end: number): string {
  const text = step.status === "cached" ? "cached" : formatSeconds((step.endedAt ?? end) - step.startedAt);
  return text.padStart(8);
}

function reasonText({ status, reason, error, peakMemoryBytes, cpuMs }: StepRecord): string | undefined {
  if (error !== undefined) return safeName(`${status}: ${error.message}`);
  if (status === "running") return "did not end";
  const used = [
    ...(cpuMs === undefined ? [] : [`${formatSeconds(cpuMs)} of processor`]),
    ...(peakMemoryBytes === undefined ? [] : [`${formatBytes(peakMemoryBytes)} of memory`]),
  ];
  const parts = [...(reason === undefined ? [] : [safeName(reason.text)]), ...used];
  return parts.length === 0 ? undefined : parts.join("; ");
}

/** Where in the build's time the step was; at least one sign wide. */
function bar(step: StepRecord, { start, end }: RowOptions): string {
  if (step.status === "cached") return " ".repeat(BAR_COLUMNS);
  const scale = BAR_COLUMNS / Math.max(1, end - start);
  const from = Math.min(BAR_COLUMNS - 1, Math.max(0, Math.floor((step.startedAt - start) * scale)));
  const to = Math.min(BAR_COLUMNS, Math.max(from + 1, Math.ceil(((step.endedAt ?? end) - start) * scale)));
  return " ".repeat(from) + "█".repeat(to - from) + "·".repeat(BAR_COLUMNS - to);
}

function totals(build: BuildRecord, critical: ReadonlySet<StepRecord>): string[] {
  const pathMs = [...critical].reduce(
    (sum, step) => sum + (step.endedAt ?? step.startedAt) - step.startedAt,
    0,
  );
  const bytes = build.steps.reduce((sum, step) => sum + (step.sizeBytes ?? 0), 0);
  return [
    `steps      ${stepCounts(build)}`,
    ...(critical.size === 0
      ? []
      : [`critical   ${formatSeconds(pathMs)} in ${critical.size} steps (marked *)`]),
    ...(bytes === 0 ? [] : [`new layers ${formatBytes(bytes)}`]),
  ];
}
