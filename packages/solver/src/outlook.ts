import { reached } from "./lookup.ts";
import type { CacheStorage } from "./ports.ts";
import { lookupOf } from "./vertex-lookup.ts";
import { countsByContent, type VertexState } from "./vertex-state.ts";

/**
 * What can be told of a vertex that was not found, before all of its inputs are settled:
 * - hopeless: an input whose keys are known leads nowhere, so there is no record and no key of this vertex, nor of anything
 *   behind it. It will have to run.
 * - blind: the keys of an input will only be known when it has run (--no-cache). It must run before this vertex can be looked
 *   up at all.
 * Either way whoever needs the result needs all that the vertex waits for, so the inputs can start at once, side by side.
 * Without this, in `COPY --from=slow` on a base that is new as well, the base would wait until `slow` is complete.
 */
export type Outlook = "hopeless" | "blind";

/** Undefined: an input may still lead to a record. */
export function judge(storage: CacheStorage, state: VertexState): Outlook | undefined {
  let outlook: Outlook | undefined;
  for (const i of state.inputs.keys()) {
    const found = judgeInput(storage, state, i);
    if (found === "hopeless") return found;
    outlook ??= found;
  }
  return outlook;
}

function judgeInput(storage: CacheStorage, state: VertexState, index: number): Outlook | undefined {
  const input = state.inputs[index]!;
  if (countsByContent(state, index)) {
    return input.content === undefined ? undefined : judgeKeys(storage, state, index);
  }
  if (input.state.phase === "complete") return judgeKeys(storage, state, index);
  if (input.state.outlook !== undefined) return input.state.outlook;
  return hasFinalKeys(input.state) ? judgeKeys(storage, state, index) : undefined;
}

function judgeKeys(storage: CacheStorage, state: VertexState, index: number): Outlook | undefined {
  const leads = state.outputs.every(
    (output) => reached(storage, lookupOf(state, output.index), [index]).length > 0,
  );
  return leads ? undefined : "hopeless";
}

/** Whether settling will bring no other keys than those known now. */
function hasFinalKeys(state: VertexState): boolean {
  if (state.phase === "new" || state.phase === "defining") return false;
  if (state.phase !== "defined" && state.phase !== "settling") return true;
  return (
    state.hit !== undefined ||
    (state.inputs.length === 0 && state.outputs.every((output) => output.own.length > 0))
  );
}
