import type { LineRange, SourceLocation, VertexDigest } from "@tsbuild/base";
import type { Graph, SourceMap } from "./op.ts";

/** The files that a graph comes from, the main one first. */
export function sourcesOf({
  source,
  otherSources = [],
}: Pick<Graph, "source" | "otherSources">): readonly SourceMap[] {
  return source === undefined ? otherSources : [source, ...otherSources];
}

/** Where a vertex comes from: the lines of the first file that knows it. */
export function sourcePlace(
  graph: Pick<Graph, "source" | "otherSources">,
  vertex: VertexDigest,
): { readonly source: SourceMap; readonly ranges: readonly LineRange[] } | undefined {
  for (const source of sourcesOf(graph)) {
    const ranges = source.locations.get(vertex);
    if (ranges !== undefined && ranges.length > 0) return { source, ranges };
  }
  return undefined;
}

/** The same as errors have it. */
export function sourceLocation(
  graph: Pick<Graph, "source" | "otherSources">,
  vertex: VertexDigest,
): SourceLocation | undefined {
  const place = sourcePlace(graph, vertex);
  if (place === undefined) return undefined;
  const { file, text } = place.source;
  return { file, text, ranges: place.ranges };
}
