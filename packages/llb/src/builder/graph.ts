import type { LineRange, VertexDigest } from "@tsbuild/base";
import type { Graph, OpMetadata, Vertex } from "../op.ts";
import {
  type Annotations,
  type OutputSource,
  type PlannedVertex,
  type SourceFile,
  toInput,
} from "./planned-vertex.ts";

/** Vertices below `root`, each once, inputs before users, inputs left to right. */
function postOrder(root: PlannedVertex): PlannedVertex[] {
  const done = new Set<PlannedVertex>();
  const stack: { vertex: PlannedVertex; next: number }[] = [{ vertex: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const source = top.vertex.inputs[top.next];
    top.next += 1;
    if (source === undefined) {
      // Inputs are resolved by now, so this does not recurse however long the chain is.
      top.vertex.resolve();
      done.add(top.vertex);
      stack.pop();
      continue;
    }
    const vertex = source.output()?.vertex;
    if (vertex !== undefined && !done.has(vertex)) stack.push({ vertex, next: 0 });
  }
  return [...done];
}

/** What is known of one op from several vertices that turned out to be it: the last one names it. */
function mergeMetadata(known: OpMetadata, added: OpMetadata): OpMetadata {
  const description = { ...known.description, ...added.description };
  return {
    ...known,
    ...added,
    ...(known.ignoreCache || added.ignoreCache ? { ignoreCache: true } : {}),
    ...(Object.keys(description).length > 0 ? { description } : {}),
  };
}

/** Annotations without places and without keys that are present but undefined. */
function metadataOf(annotations: Annotations): OpMetadata {
  const { lines: _lines, file: _file, ...metadata } = annotations;
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined));
}

/** Places of vertices by the file that they are in. */
class Places {
  readonly #files = new Map<SourceFile, Map<VertexDigest, LineRange[]>>();

  constructor(main: SourceFile | undefined) {
    if (main !== undefined) this.#of(main);
  }

  #of(file: SourceFile): Map<VertexDigest, LineRange[]> {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const same = [...this.#files].find(([one]) => one.file === file.file && one.text === file.text);
    const locations = same?.[1] ?? new Map<VertexDigest, LineRange[]>();
    this.#files.set(file, locations);
    return locations;
  }

  add(vertex: VertexDigest, file: SourceFile, lines: readonly LineRange[]): void {
    const locations = this.#of(file);
    const places = locations.get(vertex);
    if (places !== undefined) places.push(...lines);
    else if (lines.length > 0) locations.set(vertex, [...lines]);
  }

  /** The main file first; one that came as two objects once. */
  sources(): Pick<Graph, "source" | "otherSources"> {
    const files = new Map(Array.from(this.#files, ([file, locations]) => [locations, file]));
    const [source, ...otherSources] = Array.from(files, ([locations, file]) => ({ ...file, locations }));
    if (source === undefined) return {};
    return { source, ...(otherSources.length === 0 ? {} : { otherSources }) };
  }
}

/**
 * The graph that ends in `source`'s output: inputs before users in depth-first post order, equal ops once. The
 * places of equal ops are kept side by side.
 */
export function buildGraph(source: OutputSource, file?: SourceFile): Graph {
  const output = source.output();
  if (output === null) return { vertices: [], result: null };
  const vertices = new Map<VertexDigest, Vertex>();
  const places = new Places(file);
  for (const planned of postOrder(output.vertex)) {
    const { op, digest } = planned.resolve();
    const known = vertices.get(digest);
    const metadata = metadataOf(planned.annotations);
    vertices.set(digest, {
      digest,
      op,
      metadata: known ? mergeMetadata(known.metadata, metadata) : metadata,
    });
    const { lines = [], file: own = file } = planned.annotations;
    if (own !== undefined) places.add(digest, own, lines);
  }
  return { vertices: [...vertices.values()], result: toInput(output), ...places.sources() };
}
