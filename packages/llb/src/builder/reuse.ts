import type { VertexDigest } from "@tsbuild/base";
import type { Graph, Input } from "../op.ts";
import { sourcePlace } from "../places.ts";
import { type OutputSource, PlannedVertex } from "./planned-vertex.ts";
import { State, scratch } from "./state.ts";

/** The result of a graph that is there already, to go on with: its vertices keep their digests, and their places in its own files. */
export function stateOf(graph: Graph): State {
  const planned = new Map<VertexDigest, PlannedVertex>();
  const sourceOf = ({ digest, index }: Input): OutputSource => {
    const vertex = planned.get(digest);
    if (vertex === undefined) throw new Error(`assertion failed: ${digest} comes after what needs it`);
    return { output: () => ({ vertex, index }) };
  };
  for (const { digest, op, metadata } of graph.vertices) {
    const inputs = op.inputs.map(sourceOf);
    const place = sourcePlace(graph, digest);
    const vertex = new PlannedVertex({
      inputs,
      platform: op.platform,
      annotations: place === undefined ? metadata : { ...metadata, lines: place.ranges, file: place.source },
      describe: (table) => {
        for (const input of inputs) table.append(input);
        return op.kind;
      },
    });
    planned.set(digest, vertex);
  }
  const { result } = graph;
  if (result === null) return scratch();
  const source = sourceOf(result);
  return new State(() => source.output(), graph.vertices.at(-1)?.op.platform);
}
