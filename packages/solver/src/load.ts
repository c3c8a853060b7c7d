import type { Ref } from "./ports.ts";
import { contextOf, type Solving } from "./solving.ts";
import { advance, type OutputState, type VertexState } from "./vertex-state.ts";

/**
 * → loading → complete: opens the results that were found. False when one of them is gone (collected since it was recorded):
 * then the vertex is as if not found, and the record is not tried again in this solve.
 */
export async function load(solving: Solving, state: VertexState): Promise<boolean> {
  advance(state, "loading");
  const refs: Ref[] = [];
  for (const output of state.outputs) {
    const ref = await loadOutput(solving, state, output);
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

async function loadOutput(
  solving: Solving,
  state: VertexState,
  output: OutputState,
): Promise<Ref | undefined> {
  if (output.match === undefined) return undefined;
  const loading = solving.storage.load(output.match.record, contextOf(solving, state));
  // What is here is loaded without giving up the turn: most are, and a long chain of them is one turn.
  const ref = loading instanceof Promise ? await loading : loading;
  if (ref === undefined) state.gone = new Set([...state.gone, output.match.record.result]);
  return ref;
}
