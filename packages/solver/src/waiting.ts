import type { VertexState } from "./vertex-state.ts";

/** Vertices that somebody needs and that are not there yet, with what each waits for: one line each, for a solve that hangs. */
export function describeWaiting(states: readonly VertexState[]): string {
  return states.filter(isWaiting).map(describe).join("\n");
}

function isWaiting(state: VertexState): boolean {
  const resting = ["new", "defined", "settled", "complete", "stopped"].includes(state.phase);
  // A stage that was asked for but has not begun waits for the stage before it.
  const begun = state.stages.complete !== undefined;
  return !resting || (begun && state.phase !== "complete" && state.phase !== "stopped");
}

function describe(state: VertexState): string {
  const inputs = state.inputs
    .filter((input) => isWaiting(input.state))
    .map((input) => `${input.state.name} (${input.state.phase})`);
  const lock = state.holdsLock ? ", holds its lock" : "";
  const on = inputs.length === 0 ? "" : `; unfinished inputs: ${inputs.join(", ")}`;
  return `${state.name}: ${state.phase}${lock}, waits for ${state.waitsFor || "its turn"}${on}`;
}
