import { assert, type VertexDigest, type VertexInfo } from "@tsbuild/base";
import type { Graph, Input, Vertex } from "@tsbuild/llb";
import type { VertexOp } from "./ports.ts";
import type { Ignored, MaxAge, OutputState, VertexState } from "./vertex-state.ts";

export interface GraphOptions {
  readonly graph: Graph;
  /** What is wanted besides the graph's result. */
  readonly others?: readonly (Input | null)[] | undefined;
  resolveOp(vertex: Vertex): VertexOp;
  isIgnored(vertex: Vertex): Ignored | undefined;
  maxAge(vertex: Vertex): MaxAge | undefined;
}

/**
 * A state for each vertex that the result depends on, inputs first. What nothing depends on is not looked at. Equal vertices
 * have one digest, so each is here once (V009).
 */
export function makeStates({
  graph,
  others = [],
  resolveOp,
  isIgnored,
  maxAge,
}: GraphOptions): readonly VertexState[] {
  const wanted = wantedOutputs(graph, others);
  const states = new Map<VertexDigest, VertexState>();
  for (const vertex of graph.vertices) {
    const outputs = wanted.get(vertex.digest);
    if (outputs === undefined || states.has(vertex.digest)) continue;
    const position = states.size;
    const state = makeState(vertex, {
      outputs,
      states,
      position,
      op: resolveOp(vertex),
      ignored: isIgnored(vertex),
      maxAge: maxAge(vertex),
    });
    states.set(vertex.digest, state);
  }
  return [...states.values()];
}

/** Output numbers that a result or a vertex on the way to it asks for. */
function wantedOutputs(
  graph: Graph,
  others: readonly (Input | null)[],
): ReadonlyMap<VertexDigest, readonly number[]> {
  // Lists: a vertex has few outputs, and a set for each of ten thousand is memory.
  const wanted = new Map<VertexDigest, number[]>();
  const want = (digest: VertexDigest, index: number) => {
    const outputs = wanted.get(digest);
    if (outputs === undefined) wanted.set(digest, [index]);
    else if (!outputs.includes(index)) outputs.push(index);
  };
  for (const result of [graph.result, ...others]) if (result !== null) want(result.digest, result.index);
  for (const vertex of graph.vertices.toReversed()) {
    if (!wanted.has(vertex.digest)) continue;
    for (const input of vertex.op.inputs) want(input.digest, input.index);
  }
  return wanted;
}

interface StateParts {
  readonly outputs: readonly number[];
  readonly states: ReadonlyMap<VertexDigest, VertexState>;
  readonly position: number;
  readonly op: VertexOp;
  readonly ignored: Ignored | undefined;
  readonly maxAge: MaxAge | undefined;
}

/** Replaced, never changed: one for ten thousand vertices. */
const NONE_GONE: ReadonlySet<never> = new Set();

function makeState(
  vertex: Vertex,
  { outputs, states, position, op, ignored, maxAge }: StateParts,
): VertexState {
  const inputs = vertex.op.inputs.map(({ digest, index }) => {
    const state = states.get(digest);
    assert(state !== undefined, `vertex ${vertex.digest} comes before its input ${digest}`);
    return { state, output: outputOf(state, index) };
  });
  const info = infoOf(vertex);
  return {
    vertex,
    digest: vertex.digest,
    name: info.name,
    info,
    position,
    inputs,
    outputs: outputs.toSorted((a, b) => a - b).map((index) => ({ index, own: [], visible: [] })),
    op,
    ignored,
    maxAge,
    phase: "new",
    waitsFor: "",
    stages: { defined: undefined, settled: undefined, complete: undefined },
    gone: NONE_GONE,
    evicted: false,
    holdsLock: false,
  };
}

function infoOf({ digest, op, metadata }: Vertex): VertexInfo {
  const group = metadata.progressGroup;
  return {
    digest,
    name: metadata.name ?? digest.slice(0, "sha256:".length + 12),
    inputs: withoutRepeats(op.inputs.map((input) => input.digest)),
    ...(group === undefined ? {} : { group: { id: group.id, name: group.name } }),
  };
}

function withoutRepeats(digests: readonly VertexDigest[]): readonly VertexDigest[] {
  return digests.length < 2 ? digests : [...new Set(digests)];
}

/** The state of an output that is wanted. */
export function outputOf(state: VertexState, index: number): OutputState {
  const output = state.outputs.find((known) => known.index === index);
  assert(output !== undefined, `output ${index} of ${state.name} was not asked for`);
  return output;
}
