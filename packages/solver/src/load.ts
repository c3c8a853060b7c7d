import type { Ref } from "./ports.ts";
import type { Solving } from "./solving.ts";
import { advance, type OutputState, type VertexState } from "./vertex-state.ts";

/**
 * → loading → complete: opens the results that were found. False when one of them is gone (collected since it was recorded):
 * then the vertex is as if not found, and the record is not tried again in this solve.
 */
export function load(solving: Solving, state: VertexState): boolean {
  advance(state, "loading");
  const refs: Ref[] = [];
  for (const output of state.outputs) {
    const ref = loadOutput(solving, state, output);
    if (ref !== undefined) refs.push(ref);
  }
  if (refs.length < state.outputs.length) {
    for (const ref of refs) ref.release();
    state.hit = undefined;
    state.evicted = true;
    return false;
  }
  for (const [i, output] of state.outputs.entries()) output.ref = refs[i];
  advance(state, "complete");
  solving.report.cached(state);
  return true;
}

function loadOutput(solving: Solving, state: VertexState, output: OutputState): Ref | undefined {
  if (output.match === undefined) return undefined;
  const ref = solving.storage.load(output.match.record);
  if (ref === undefined) state.gone.add(output.match.record.result);
  return ref;
}
