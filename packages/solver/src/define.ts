import { assert } from "@tsbuild/base";
import { opKey } from "./keys.ts";
import { judge } from "./outlook.ts";
import { contextOf, type Solving } from "./solving.ts";
import { adopt, guessKeys, isCacheable, probe } from "./vertex-lookup.ts";
import { advance, type VertexState } from "./vertex-state.ts";

/**
 * new → defining → defined: learns what the op does and looks it up by definition. Runs nothing; the cache maps of a graph are
 * asked for side by side.
 *
 * Example: FROM → RUN, both built before. FROM has its root key and a record; RUN's link from that key leads to its key
 * and record: both are hits, and only RUN's result will be loaded.
 */
export async function define(solving: Solving, state: VertexState): Promise<void> {
  advance(state, "defining", "its cache map");
  for (const { state: input } of state.inputs) solving.need(input, "defined");
  const map = await state.op.cacheMap(contextOf(solving, state));
  // One after the other: they are on their way, and one that fails ends the others.
  for (const { state: input } of state.inputs) if (!isDefined(input)) await solving.need(input, "defined");
  assert(
    map.inputs.length === state.inputs.length,
    `the cache map of ${state.name} has ${map.inputs.length} inputs for ${state.inputs.length}`,
  );
  state.cacheMap = map;
  state.opKey = opKey(map.digest, state.inputs.length);
  if (probe(solving.storage, state)) {
    state.hit = "definition";
    adopt(solving.storage, state);
  } else {
    guessKeys(solving.storage, state);
    if (isHopeless(solving, state)) state.outlook = "hopeless";
  }
  advance(state, "defined");
}

/** What is behind a vertex that was never built was not either: known without a look at anything but its inputs' outlook. */
function isHopeless({ storage }: Solving, state: VertexState): boolean {
  return !state.ignored && isCacheable(state) && judge(storage, state) === "hopeless";
}

function isDefined({ phase }: VertexState): boolean {
  return phase !== "new" && phase !== "defining" && phase !== "stopped";
}
