import { longestChain } from "../history/critical-path.ts";
import { safeName } from "../sanitize.ts";
import { isOfDockerfile, rebuildReason } from "./report.ts";
import { type BuildState, isEnded, type Step, stepOf } from "./state.ts";
import { formatBytes, formatSeconds } from "./units.ts";
import { displayWidth, fit } from "./width.ts";

/** With more steps than this only those are shown that were not cached. */
const MAX_ROWS = 40;
const NAME_COLUMNS = 56;

/**
 * What a build did, a row for each step of the Dockerfile (W016): how it went, in which time, how large a layer it made, and why it ran. `*` marks
 * the chain of steps that the build's time is made of. Nothing where the summary says it all: when everything was cached, or there is one step.
 */
export function tableLines(state: BuildState): string[] {
  const ended = state.steps.filter((step) => isEnded(step) && isOfDockerfile(step));
  const ran = ended.filter((step) => step.status !== "cached");
  if (ran.length === 0 || ended.length < 2) return [];
  const shown = ended.length > MAX_ROWS ? ran : ended;
  const chain = chainOf(state);
  const rows = shown.map((step) => cells(state, step, chain.size > 1 && chain.has(step)));
  const hidden = ended.length - shown.length;
  return [
    ...aligned([["  STEP", "STATUS", "TIME", "SIZE", "WHY"], ...rows]),
    ...(hidden === 0 ? [] : [`  and ${hidden} more that were cached`]),
    ...chainLine(state).map((line) => `* ${line}`),
    "",
  ];
}

/** Steps that this one needs and that have not ended. */
export function unfinishedInputs(state: BuildState, step: Step): readonly Step[] {
  return inputsOf(state, step).filter((input) => !isEnded(input));
}

function inputsOf(state: BuildState, step: Step): Step[] {
  const inputs = step.members.flatMap(({ vertex }) => vertex.inputs);
  const steps = inputs.flatMap((input) => stepOf(state, input) ?? []);
  return [...new Set(steps)].filter((input) => input !== step);
}

function chainOf(state: BuildState): ReadonlySet<Step> {
  const ran = state.steps.filter((step) => isEnded(step) && isOfDockerfile(step) && step.status !== "cached");
  return longestChain(ran, {
    inputsOf: (step) => inputsOf(state, step),
    startOf: ({ startedAt }) => startedAt ?? 0,
    endOf: ({ endedAt }) => endedAt ?? 0,
    hasWaited: ({ waited }) => waited,
  });
}

const tookMs = ({ startedAt, endedAt }: Step): number => (endedAt ?? 0) - (startedAt ?? 0);

/** How much of a build's time its longest chain of steps took (the critical path). */
export function chainLine(state: BuildState): string[] {
  const chain = chainOf(state);
  if (chain.size < 2) return [];
  const pathMs = [...chain].reduce((total, step) => total + tookMs(step), 0);
  const allMs = (state.endedAt ?? 0) - (state.startedAt ?? 0);
  return [`the longest chain: ${formatSeconds(pathMs)} of ${formatSeconds(allMs)}`];
}

function cells(state: BuildState, step: Step, inChain: boolean): readonly string[] {
  const bytes = layerBytes(state, step);
  return [
    `${inChain ? "*" : " "} ${fit(safeName(step.name), NAME_COLUMNS)}`,
    step.status,
    step.status === "cached" ? "" : formatSeconds(tookMs(step)),
    bytes === undefined ? "" : formatBytes(bytes),
    rebuildReason(step) ?? "",
  ];
}

/** Of the layer that a step made in this build, where it was measured: when an image was made of it. */
export function layerBytes({ record }: BuildState, step: Step): number | undefined {
  const sizes = step.members.flatMap(({ vertex }) => record?.layerBytes?.[vertex.digest] ?? []);
  return sizes.length === 0 ? undefined : sizes.reduce((sum, bytes) => sum + bytes, 0);
}

const NUMBERS = [2, 3];

/** The first row is a heading; a column without anything below it is left out. */
function aligned([heading = [], ...rows]: readonly (readonly string[])[]): string[] {
  const columns = [...heading.keys()].filter((column) => rows.some((row) => row[column] !== ""));
  const all = [heading, ...rows];
  const widths = new Map(
    columns.map((column) => [column, Math.max(...all.map((row) => displayWidth(row[column] ?? "")))]),
  );
  const padded = (row: readonly string[], column: number): string => {
    const cell = row[column] ?? "";
    const blanks = " ".repeat((widths.get(column) ?? 0) - displayWidth(cell));
    return NUMBERS.includes(column) ? blanks + cell : cell + blanks;
  };
  return all.map((row) =>
    columns
      .map((column) => padded(row, column))
      .join("  ")
      .trimEnd(),
  );
}
