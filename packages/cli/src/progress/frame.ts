import { TsbuildError } from "@tsbuild/base";
import { safeName } from "../sanitize.ts";
import type { Line } from "./paint.ts";
import { type BuildOutcome, countLine, failureTail, imageLines, logTail, warningLines } from "./report.ts";
import { type BuildState, isEnded, type Step } from "./state.ts";
import { type LineOptions, logLine, stepLine, transferLine } from "./step-line.ts";
import { chainLine, layerBytes, unfinishedInputs } from "./table.ts";
import { formatSeconds } from "./units.ts";
import { fit } from "./width.ts";

export interface FrameOptions extends LineOptions {
  readonly rows: number;
  /** Live lines of output below a running step (C050: BUILDKIT_TTY_LOG_LINES). */
  readonly logLines: number;
  /** The user has asked to stop. */
  readonly canceling: boolean;
}

export interface Frame {
  /** Ended steps for which the screen has no room any more: they go above the frame, for good. */
  readonly retired: readonly Step[];
  /** What is drawn anew each time; always fewer lines than the screen has rows. */
  readonly lines: readonly Line[];
}

/** Transfers shown below one step. */
const MAX_TRANSFERS = 4;

/**
 * What the screen shows of a build at this moment (C040). A frame taller than the screen could not be drawn over, so
 * room goes first to running steps, then to ended ones (the oldest retire), then to the details of running steps,
 * then to waiting ones. `retired` are the keys of steps that retired before.
 */
export function buildFrame(state: BuildState, retired: ReadonlySet<string>, options: FrameOptions): Frame {
  const present = state.steps.filter((step) => !retired.has(step.key));
  const running = present.filter((step) => step.status === "running");
  const ended = present.filter(isEnded).toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  const room = Math.max(1, options.rows - 2);
  const details = detailsOf(running, Math.max(0, room - running.length), options);
  const detailCount = sum([...details.values()].map((lines) => lines.length));
  const surplus = running.length + detailCount + ended.length - room;
  const leaving = ended.slice(0, Math.max(0, surplus));
  const body = present
    .filter((step) => step.status !== "waiting" && !leaving.includes(step))
    .flatMap((step) => [stepLine(step, options), ...(details.get(step.key) ?? [])]);
  const waiting = waitingLines(state, present, { ...options, rows: room - body.length });
  return {
    retired: leaving,
    lines: [headerLine(state, options), ...cut([...body, ...waiting], room, options)],
  };
}

/** `[+] Building 12.3s (5/9)`. */
export function headerLine(state: BuildState, options: FrameOptions): Line {
  const done = state.steps.filter(isEnded).length;
  const took = formatSeconds(options.now - (state.startedAt ?? options.now));
  const verb = options.canceling ? "Canceling" : "Building";
  const text = `[+] ${verb} ${took} (${done}/${state.steps.length})`;
  return [{ text: fit(text, options.columns, options.marks.ellipsis), style: "bold" }];
}

/** Transfers and live output below the running steps, shortened evenly to the room that there is. */
function detailsOf(
  running: readonly Step[],
  room: number,
  options: FrameOptions,
): ReadonlyMap<string, readonly Line[]> {
  const details = new Map<string, readonly Line[]>();
  let left = room;
  for (const [index, step] of running.entries()) {
    const share = Math.floor(left / (running.length - index));
    const transfers = step.transfers.filter((transfer) => transfer.endedAt === undefined);
    const shown = transfers
      .slice(0, Math.min(MAX_TRANSFERS, share))
      .map((part) => transferLine(part, options));
    const logRoom = Math.min(options.logLines, share - shown.length);
    const logs = logRoom <= 0 ? [] : logTail(step).slice(-logRoom);
    const lines = [...shown, ...logs.map((line) => logLine(line, options))];
    details.set(step.key, lines);
    left -= lines.length;
  }
  return details;
}

/** In as many rows as `options` has. */
function waitingLines(state: BuildState, present: readonly Step[], options: FrameOptions): Line[] {
  const waiting = present.filter((step) => step.status === "waiting");
  return waiting
    .slice(0, Math.max(0, options.rows))
    .map((step) => stepLine(step, options, { waitsFor: waitsFor(state, step) }));
}

/** The one step that it waits for, or how many they are. One whose inputs are there waits for a job, or for its look-up. */
function waitsFor(state: BuildState, step: Step): string | undefined {
  const [first, ...others] = unfinishedInputs(state, step);
  if (first === undefined) return undefined;
  return others.length === 0 ? `after ${safeName(first.name)}` : `after ${others.length + 1} steps`;
}

function cut(lines: readonly Line[], room: number, options: FrameOptions): readonly Line[] {
  if (lines.length <= room) return lines;
  const more = `   ${options.marks.ellipsis} ${lines.length - room + 1} more`;
  return [...lines.slice(0, room - 1), [{ text: more, style: "dim" }]];
}

/**
 * What stays on the screen when the build has ended: each step that has not retired, warnings, the output of a failed
 * step, the summary.
 */
export function finalLines(
  state: BuildState,
  retired: ReadonlySet<string>,
  outcome: BuildOutcome,
  options: LineOptions,
): Line[] {
  const known = outcome.error instanceof TsbuildError ? outcome.error : undefined;
  const failed = outcome.error !== undefined;
  const steps = state.steps
    .filter((step) => step.number !== undefined && !retired.has(step.key))
    .map((step): Step => (step.status === "running" ? { ...step, status: "canceled" } : step));
  const verb = failed ? (known?.code === "TSB_CANCELED" ? "Canceled" : "Failed") : "Built";
  const text = (line: string): Line => [{ text: line }];
  return [
    ...steps.map((step) => stepLine(step, options, { layerBytes: layerBytes(state, step) })),
    ...warningLines(state.warnings).map((line): Line => [{ text: line, style: "yellow" }]),
    ...(failed ? failureTail(state, known).map(text) : []),
    ...(state.startedCount === 0
      ? []
      : [[{ text: `[+] ${countLine(state, verb)}`, style: "bold" }] satisfies Line]),
    ...chainLine(state).map((line) => text(`    ${line}`)),
    ...imageLines(outcome.result).map((line) => text(`    ${line}`)),
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
