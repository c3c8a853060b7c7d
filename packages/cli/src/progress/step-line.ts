import { safeLine, safeName } from "../sanitize.ts";
import type { Line, Segment, Style } from "./paint.ts";
import { rebuildReason } from "./report.ts";
import type { LogLine, Step, StepStatus, Transfer } from "./state.ts";
import { formatBytes, formatSeconds } from "./units.ts";
import { displayWidth, expandTabs, fit } from "./width.ts";

/** Signs of a step's status, so that a screen without colours tells as much. */
export interface Marks {
  readonly status: Readonly<Record<StepStatus, string>>;
  readonly log: string;
  readonly barFull: string;
  readonly barEmpty: string;
  readonly ellipsis: string;
}

export const unicodeMarks: Marks = {
  status: { waiting: "·", running: "»", cached: "=", rebuilt: "✓", failed: "✗", canceled: "-" },
  log: "│",
  barFull: "━",
  barEmpty: "─",
  ellipsis: "…",
};

/** For terminals whose locale is not UTF-8. */
export const asciiMarks: Marks = {
  status: { waiting: ".", running: ">", cached: "=", rebuilt: "+", failed: "x", canceled: "-" },
  log: "|",
  barFull: "#",
  barEmpty: "-",
  ellipsis: "...",
};

/** What of the rest of the build a step's line tells. */
export interface Around {
  /** For what it has not begun. */
  readonly waitsFor?: string | undefined;
  readonly layerBytes?: number | undefined;
}

export interface LineOptions {
  readonly columns: number;
  readonly now: number;
  readonly marks: Marks;
}

const STYLES: Readonly<Record<StepStatus, Style | undefined>> = {
  waiting: "dim",
  running: "cyan",
  cached: "dim",
  rebuilt: "green",
  failed: "red",
  canceled: "yellow",
};

/** ` ✓ [2/4] RUN make  (changed: src/a.ts)          1.2s`, exactly as wide as the screen. */
export function stepLine(step: Step, options: LineOptions, around: Around = {}): Line {
  const right = rightText(step, options.now, around);
  const reason = step.status === "rebuilt" ? rebuildReason(step) : around.waitsFor;
  const room = options.columns - 3 - displayWidth(right) - 1;
  const reasonRoom = reason === undefined ? 0 : Math.min(displayWidth(reason) + 4, Math.floor(room / 2));
  const name = fit(safeName(step.name), room - reasonRoom, options.marks.ellipsis);
  const why = reason === undefined ? "" : fit(`  (${reason})`, reasonRoom, options.marks.ellipsis);
  const blanks = Math.max(0, room - displayWidth(name) - displayWidth(why));
  const style = STYLES[step.status];
  const quiet = step.status === "cached" || step.status === "waiting";
  return [
    styled(` ${options.marks.status[step.status]} `, style),
    styled(name, quiet ? "dim" : undefined),
    styled(why, quiet ? "dim" : "yellow"),
    { text: `${" ".repeat(blanks)} ` },
    styled(right, quiet ? "dim" : style === "red" ? "red" : undefined),
  ];
}

function rightText(step: Step, now: number, { layerBytes }: Around): string {
  const size = layerBytes === undefined ? "" : `${formatBytes(layerBytes)} `;
  const took = formatSeconds((step.endedAt ?? now) - (step.startedAt ?? now));
  switch (step.status) {
    case "waiting":
      return "";
    case "cached":
      return step.origin === undefined ? "cached" : "imported";
    case "failed":
      return `failed ${took}`;
    case "canceled":
      return `canceled ${took}`;
    default:
      return `${size}${took}`;
  }
}

/** A live line of a step's output. */
export function logLine(line: LogLine, options: LineOptions): Line {
  const text = expandTabs(safeLine(line.text)).trimEnd();
  return [
    { text: `   ${options.marks.log} `, style: "dim" },
    { text: fit(text, options.columns - 5, options.marks.ellipsis), style: "dim" },
  ];
}

const BAR_COLUMNS = 20;

/** A transfer at work: its name, a bar when the total is known, its size. */
export function transferLine(transfer: Transfer, options: LineOptions): Line {
  const { current, total, unit } = transfer;
  const show = (value: number) => (unit === "bytes" ? formatBytes(value) : `${value} files`);
  const amount = total === undefined ? show(current) : `${show(current)} / ${show(total)}`;
  const size = fit(amount, options.columns - 6, options.marks.ellipsis);
  const hasBar = total !== undefined && total > 0 && options.columns >= 60;
  const bar = hasBar ? progressBar(current / total, options.marks) : "";
  const room = options.columns - 5 - displayWidth(size) - 1 - (hasBar ? BAR_COLUMNS + 1 : 0);
  const name = fit(safeName(transfer.id), room, options.marks.ellipsis);
  return [
    { text: `     ${name}${" ".repeat(Math.max(0, room - displayWidth(name)))} ` },
    styled(bar, "cyan"),
    { text: `${hasBar ? " " : ""}${size}` },
  ];
}

function progressBar(part: number, marks: Marks): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * BAR_COLUMNS);
  return marks.barFull.repeat(full) + marks.barEmpty.repeat(BAR_COLUMNS - full);
}

function styled(text: string, style: Style | undefined): Segment {
  return style === undefined ? { text } : { text, style };
}
