import { assert } from "@tsbuild/base";
import { opKey } from "./keys.ts";
import { contextOf, type Solving } from "./solving.ts";
import { adopt, guessKeys, probe } from "./vertex-lookup.ts";
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
  const inputs = state.inputs.map((input) => solving.need(input.state, "defined"));
  const asked = solving.watch(state.op.cacheMap(contextOf(solving, state)));
  const [map] = await Promise.all([asked, ...inputs]);
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
  }
  advance(state, "defined");
}
