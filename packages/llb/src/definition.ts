import { sha256, type VertexDigest } from "@tsbuild/base";
import { type DecodedOp, decodeOp } from "./decode-op.ts";
import { marshalOp, opDigest, writeInput } from "./encode-op.ts";
import { decodeMetadata, encodeMetadata } from "./metadata.ts";
import type { Graph, Input, Op, OpMetadata, SourceMap, Vertex } from "./op.ts";
import { decodeSources, encodeSources } from "./source-map.ts";
import { validateOp } from "./validate-op.ts";
import { bytes, malformed, mapEntry, readMessage } from "./wire-reader.ts";
import { writeMessage } from "./wire-writer.ts";

/** Capabilities that the result pointer of a definition asks for, as BuildKit's client derives them. */
function resultCaps(vertices: readonly Vertex[]): string[] {
  const all = vertices.map((vertex) => vertex.metadata);
  const caps = ["constraints", "platform"];
  if (all.some((m) => m.ignoreCache)) caps.push("meta.ignorecache");
  if (all.some((m) => m.name !== undefined || m.description !== undefined)) caps.push("meta.description");
  if (all.some((m) => m.exportCache !== undefined)) caps.push("meta.exportcache");
  return caps;
}

function sourceMaps(graph: Graph): SourceMap[] {
  return [...(graph.source ? [graph.source] : []), ...(graph.otherSources ?? [])];
}

/**
 * The graph as `pb.Definition`: ops inputs first, then an op that only points at the result. A scratch result is a
 * definition without ops.
 */
export function marshalGraph(graph: Graph): Uint8Array {
  const { result, vertices } = graph;
  if (result === null) return new Uint8Array();
  const pointer = writeMessage((w) => w.message(1, (m) => writeInput(m, result)));
  const metadata = vertices
    .map((vertex): [string, Uint8Array] => [vertex.digest, encodeMetadata(vertex.metadata)])
    .filter(([, bytes]) => bytes.length > 0);
  metadata.push([sha256(pointer), encodeMetadata({ caps: resultCaps(vertices) })]);
  const maps = sourceMaps(graph);
  return writeMessage((w) => {
    w.repeatedBytes(1, [...vertices.map((vertex) => marshalOp(vertex.op)), pointer]);
    w.messageMap(2, Object.fromEntries(metadata));
    if (maps.length > 0) w.message(3, encodeSources(maps));
  });
}

interface RawDefinition {
  /** By the digest of the bytes as they are in the file. */
  readonly ops: ReadonlyMap<string, DecodedOp>;
  readonly last: DecodedOp | undefined;
  readonly metadata: ReadonlyMap<string, OpMetadata>;
  readonly sources: Uint8Array | undefined;
}

function readDefinition(data: Uint8Array): RawDefinition {
  const ops = new Map<string, DecodedOp>();
  const metadata = new Map<string, OpMetadata>();
  let last: DecodedOp | undefined;
  let sources: Uint8Array | undefined;
  readMessage(data, "Definition", {
    1: bytes((v) => {
      last = decodeOp(v);
      ops.set(sha256(v), last);
    }),
    2: mapEntry<Uint8Array>(new Uint8Array(), bytes, (key, value) =>
      metadata.set(key, decodeMetadata(value)),
    ),
    3: bytes((v) => {
      sources = v;
    }),
  });
  return { ops, last, metadata, sources };
}

/**
 * Orders the ops that the result needs, inputs first, and gives each the digest of its canonical bytes: another
 * encoder may have written fields in another order, and one vertex must have one name here.
 */
class GraphLoader {
  readonly vertices = new Map<VertexDigest, Vertex>();
  readonly names = new Map<string, VertexDigest>();
  readonly #raw: RawDefinition;

  constructor(raw: RawDefinition) {
    this.#raw = raw;
  }

  /** Depth first with an explicit stack: a long chain of ops must not overflow the call stack. */
  load(root: string): VertexDigest {
    const stack: { digest: string; next: number }[] = [{ digest: root, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const op = this.#op(top.digest);
      const input = op.inputs[top.next];
      if (input === undefined) {
        this.#add(top.digest, op);
        stack.pop();
      } else {
        top.next += 1;
        if (!this.names.has(input.digest)) stack.push({ digest: input.digest, next: 0 });
      }
    }
    return this.#name(root);
  }

  #op(digest: string): DecodedOp {
    const op = this.#raw.ops.get(digest);
    if (op === undefined) throw malformed(`the input ${digest} is missing`);
    return op;
  }

  #name(digest: string): VertexDigest {
    const name = this.names.get(digest);
    if (name === undefined) throw malformed(`the input ${digest} is missing`);
    return name;
  }

  #add(raw: string, decoded: DecodedOp): void {
    if (this.names.has(raw)) return;
    if (decoded.kind === undefined) throw malformed(`the op ${raw} has no kind`);
    const inputs = decoded.inputs.map((input) => ({ digest: this.#name(input.digest), index: input.index }));
    const op: Op = { ...decoded, inputs, kind: decoded.kind };
    validateOp(op);
    const digest = opDigest(op);
    this.names.set(raw, digest);
    if (this.vertices.has(digest)) return;
    this.vertices.set(digest, { digest, op, metadata: this.#raw.metadata.get(raw) ?? {} });
  }
}

function resultOf(raw: RawDefinition): Input | null {
  if (raw.last === undefined) return null;
  if (raw.last.kind !== undefined) throw malformed("the last op does not point at the result");
  return raw.last.inputs[0] ?? null;
}

/**
 * Reads a `pb.Definition`: only what the result needs, in depth-first post order. Throws TSB_USAGE when the bytes
 * are damaged or the ops do not fit together, TSB_UNSUPPORTED for ops or fields of a newer protocol.
 */
export function unmarshalDefinition(data: Uint8Array): Graph {
  const raw = readDefinition(data);
  const pointer = resultOf(raw);
  if (pointer === null) return { vertices: [], result: null };
  const loader = new GraphLoader(raw);
  const result = { digest: loader.load(pointer.digest), index: pointer.index };
  const maps = raw.sources === undefined ? [] : decodeSources(raw.sources, (key) => loader.names.get(key));
  const [source, ...otherSources] = maps;
  return {
    vertices: [...loader.vertices.values()],
    result,
    ...(source ? { source } : {}),
    ...(otherSources.length > 0 ? { otherSources } : {}),
  };
}
