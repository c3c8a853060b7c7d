import type { BuildRecord, StepRecord } from "@tsbuild/engine";
import { age } from "../commands/images.ts";
import { formatBytes, formatSeconds, plural } from "../progress/units.ts";
import { displayWidth, fit } from "../progress/width.ts";
import { safeName } from "../sanitize.ts";
import { criticalPath } from "./critical-path.ts";
import { stepCounts } from "./table.ts";

interface TimelineOptions {
  readonly columns: number;
  /** Milliseconds since the epoch: the end of a build that is at work. */
  readonly now: number;
}

/** `* 12 ` before the name; time and size behind the bar, with their blanks. */
const NUMBER_COLUMNS = 5;
const FIGURE_COLUMNS = 8 + 9;
const MAX_BAR_COLUMNS = 40;
const MIN_BAR_COLUMNS = 10;
/** On a narrower terminal there is no bar: names say more. */
const MIN_NAME_COLUMNS = 30;

/** What a build did when: a row per step with its bar, `*` on the critical path, and why it ran. */
export function timeline(build: BuildRecord, { columns, now }: TimelineOptions): string {
  const start = build.startedAt;
  const ends = build.steps.map((step) => step.endedAt ?? step.startedAt);
  const end = build.finishedAt ?? (build.status === "running" ? now : Math.max(start, ...ends));
  const critical = criticalPath(build, end);
  const sheet = { start, end, ...layout(build, columns) };
  const rows = build.steps.flatMap((step) => [
    row(step, sheet, critical.has(step)),
    ...notes(step).map((text) => `${" ".repeat(NUMBER_COLUMNS)}${fit(text, columns - NUMBER_COLUMNS)}`),
  ]);
  return [...head(build, end, now), "", ...rows, "", ...totals(build, critical, end)]
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Columns of names and bars: what the longest name leaves goes to the bars, within bounds. */
function layout({ steps }: BuildRecord, columns: number): Pick<Sheet, "nameColumns" | "barColumns"> {
  const longest = Math.max(0, ...steps.map((step) => displayWidth(safeName(step.name))));
  const room = columns - NUMBER_COLUMNS - FIGURE_COLUMNS;
  const minBar = Math.max(MIN_BAR_COLUMNS, Math.floor(columns / 5));
  if (room - 1 - minBar < MIN_NAME_COLUMNS) {
    return { nameColumns: Math.max(1, Math.min(longest, room)), barColumns: 0 };
  }
  const nameColumns = Math.min(longest, room - 1 - minBar);
  return { nameColumns, barColumns: Math.min(MAX_BAR_COLUMNS, room - 1 - nameColumns) };
}

function head(build: BuildRecord, end: number, now: number): string[] {
  const { request, dockerfile, error } = build;
  const args = Object.entries(request.buildArgs).map(([name, value]) =>
    value === null ? name : `${name}=${value}`,
  );
  const facts: [string, string | undefined][] = [
    ["build", `${build.id}  ${build.title}`],
    ["status", `${build.status} after ${formatSeconds(end - build.startedAt)}`],
    ["started", `${new Date(build.startedAt).toISOString()}, ${age(now - build.startedAt)}`],
    ["context", request.context],
    ["dockerfile", dockerfile && `${dockerfile.file}  ${dockerfile.digest.slice(0, 19)}`],
    ["target", request.target],
    ["platforms", request.platforms.join(", ") || undefined],
    ["arguments", args.join(" ") || undefined],
    ["image", build.imageId],
    ["error", error?.message],
    ["output", build.logsLost ? "not kept: it could not be written" : undefined],
  ];
  return facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(11)}${safeName(value)}`],
  );
}

interface Sheet {
  /** Milliseconds since the epoch: what the bars span. */
  readonly start: number;
  readonly end: number;
  readonly nameColumns: number;
  readonly barColumns: number;
}

function row(step: StepRecord, sheet: Sheet, isCritical: boolean): string {
  const name = fit(safeName(step.name), sheet.nameColumns);
  const blanks = " ".repeat(Math.max(0, sheet.nameColumns - displayWidth(name)));
  const size = step.sizeBytes === undefined ? "" : formatBytes(step.sizeBytes);
  const shown = sheet.barColumns === 0 ? "" : ` ${bar(step, sheet)}`;
  const number = `${isCritical ? "*" : " "}${String(step.number).padStart(3)} `;
  return `${number}${name}${blanks}${shown}${timeText(step, sheet.end).padStart(8)} ${size.padStart(8)}`;
}

function timeText(step: StepRecord, end: number): string {
  return step.status === "cached" ? "cached" : formatSeconds((step.endedAt ?? end) - step.startedAt);
}

/** Why a step ran, how it ended if not well, and what it took. */
function notes({ status, reason, error, peakMemoryBytes, cpuMs, endedAt }: StepRecord): string[] {
  const parts = [
    ...(reason === undefined ? [] : [safeName(reason.text)]),
    ...(cpuMs === undefined ? [] : [`cpu ${formatSeconds(cpuMs)}`]),
    ...(peakMemoryBytes === undefined ? [] : [`memory ${formatBytes(peakMemoryBytes)}`]),
  ];
  return [
    ...(error === undefined ? [] : [safeName(`${status}: ${error.message}`)]),
    ...(status === "running" && endedAt === undefined ? ["did not end"] : []),
    ...(parts.length === 0 ? [] : [parts.join(", ")]),
  ];
}

/** Where in the build's time the step was; at least one sign wide. */
function bar(step: StepRecord, { start, end, barColumns }: Sheet): string {
  if (step.status === "cached") return " ".repeat(barColumns);
  const scale = barColumns / Math.max(1, end - start);
  const from = Math.min(barColumns - 1, Math.max(0, Math.floor((step.startedAt - start) * scale)));
  const to = Math.ceil(((step.endedAt ?? end) - start) * scale);
  const until = Math.min(barColumns, Math.max(from + 1, to));
  return "·".repeat(from) + "█".repeat(until - from) + "·".repeat(barColumns - until);
}

function totals(build: BuildRecord, critical: ReadonlySet<StepRecord>, end: number): string[] {
  const { steps, warnings } = build;
  const sum = (value: (step: StepRecord) => number | undefined) =>
    steps.reduce((total, step) => total + (value(step) ?? 0), 0);
  const [bytes, cpuMs] = [sum((step) => step.sizeBytes), sum((step) => step.cpuMs)];
  const pathMs = [...critical].reduce((total, step) => total + (step.endedAt ?? end) - step.startedAt, 0);
  const lines: [string, string | undefined][] = [
    ["steps", stepCounts(build)],
    [
      "critical *",
      critical.size === 0 ? undefined : `${formatSeconds(pathMs)} in ${plural(critical.size, "step")}`,
    ],
    ["cpu", cpuMs === 0 ? undefined : formatSeconds(cpuMs)],
    ["new layers", bytes === 0 ? undefined : formatBytes(bytes)],
    ["warnings", warnings === 0 ? undefined : String(warnings)],
  ];
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${value}`]));
}
