import type { LineRange, VertexDigest } from "@tsbuild/base";
import type { Graph, Input, SourceMap, Vertex } from "./op.ts";

/** Several graphs as one: equal vertices are in it once. */
export interface UnitedGraph {
  /** With the result of the first. */
  readonly graph: Graph;
  /** The results of the others, in their order. */
  readonly others: readonly (Input | null)[];
}

/** A vertex that several graphs have keeps the metadata of the first: it runs once, and shows under one name. */
function uniteVertices(graphs: readonly Graph[]): readonly Vertex[] {
  const vertices = new Map<VertexDigest, Vertex>();
  for (const { vertices: own } of graphs)
    for (const vertex of own) if (!vertices.has(vertex.digest)) vertices.set(vertex.digest, vertex);
  return [...vertices.values()];
}

/** Graphs of one file have one source map; another file's goes with the others. */
function uniteSources(graphs: readonly Graph[]): Pick<Graph, "source" | "otherSources"> {
  const first = graphs.find(({ source }) => source !== undefined)?.source;
  if (first === undefined) return {};
  const locations = new Map<VertexDigest, readonly LineRange[]>();
  const further = new Set<SourceMap>();
  for (const { source, otherSources = [] } of graphs) {
    for (const other of otherSources) further.add(other);
    if (source === undefined) continue;
    if (source.file !== first.file || source.text !== first.text) further.add(source);
    else
      for (const [vertex, ranges] of source.locations) locations.set(vertex, locations.get(vertex) ?? ranges);
  }
  return {
    source: { ...first, locations },
    ...(further.size === 0 ? {} : { otherSources: [...further] }),
  };
}

/** Makes one graph of several, such as those of a Dockerfile's platforms. The first one alone stays as it is. */
export function uniteGraphs(first: Graph, ...more: readonly Graph[]): UnitedGraph {
  if (more.length === 0) return { graph: first, others: [] };
  const graphs = [first, ...more];
  return {
    graph: { vertices: uniteVertices(graphs), result: first.result, ...uniteSources(graphs) },
    others: more.map(({ result }) => result),
  };
}
