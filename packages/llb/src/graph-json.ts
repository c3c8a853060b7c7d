import { TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { BuildOp, FileAction, Graph, Op, OpKind, OpMetadata, SourceMap } from "./op.ts";

/** Version of the stored form; another one is refused, the graph is then compiled again. */
const VERSION = 1;

/** A graph as plain JSON values: what `JSON.stringify` takes and `JSON.parse` gives back. */
export interface GraphJson {
  readonly version: number;
  /** `[digest, op, metadata]` per vertex, inputs first. Bytes are base64 text, 64-bit numbers decimal text. */
  readonly vertices: readonly (readonly [string, unknown, OpMetadata])[];
  readonly result: Graph["result"];
  readonly sources: readonly SourceMapJson[];
}

interface SourceMapJson {
  readonly file: string;
  readonly language: string;
  readonly text: string;
  /** `[digest, start, end, start, end, …]`. */
  readonly locations: readonly (readonly [string, ...number[]])[];
}

function toBase64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** An action with `timestampNs` as text, and `data` too. */
function actionToJson(entry: FileAction): unknown {
  const action: Record<string, unknown> = { ...entry.action };
  if ("timestampNs" in entry.action) action["timestampNs"] = String(entry.action.timestampNs);
  if (entry.action.type === "mkfile") action["data"] = toBase64(entry.action.data);
  return { ...entry, action };
}

function kindToJson(kind: OpKind): unknown {
  if (kind.type === "file") return { ...kind, actions: kind.actions.map(actionToJson) };
  if (kind.type === "build" && kind.definition !== undefined)
    return { ...kind, definition: toBase64(kind.definition) };
  return kind;
}

function sourceToJson(map: SourceMap): SourceMapJson {
  const locations = Array.from(map.locations, ([digest, ranges]): readonly [string, ...number[]] => [
    digest,
    ...ranges.flatMap((range) => [range.start, range.end]),
  ]);
  return { file: map.file, language: map.language, text: map.text, locations };
}

/** The graph in a form that is stored and loaded without protobuf. */
export function graphToJson(graph: Graph): GraphJson {
  const maps = [...(graph.source ? [graph.source] : []), ...(graph.otherSources ?? [])];
  return {
    version: VERSION,
    vertices: graph.vertices.map(({ digest, op, metadata }) => [
      digest,
      { ...op, kind: kindToJson(op.kind) },
      metadata,
    ]),
    result: graph.result,
    sources: maps.map(sourceToJson),
  };
}

/** Turns the text fields of a stored op back; in place, the JSON value is ours alone. */
function reviveOp(op: Op): Op {
  const kind = op.kind as { -readonly [K in keyof BuildOp]: BuildOp[K] } | Exclude<OpKind, BuildOp>;
  if (kind.type === "build" && kind.definition !== undefined)
    kind.definition = fromBase64(kind.definition as unknown as string);
  if (kind.type === "file") for (const entry of kind.actions) reviveAction(entry);
  return op;
}

function reviveAction(entry: FileAction): void {
  const action = entry.action as unknown as Record<string, unknown>;
  if (typeof action["timestampNs"] === "string") action["timestampNs"] = BigInt(action["timestampNs"]);
  if (typeof action["data"] === "string") action["data"] = fromBase64(action["data"]);
}

function reviveSource(json: SourceMapJson): SourceMap {
  const locations = new Map<VertexDigest, { start: number; end: number }[]>();
  for (const [digest, ...lines] of json.locations) {
    const ranges: { start: number; end: number }[] = [];
    for (let i = 0; i + 1 < lines.length; i += 2)
      ranges.push({ start: lines[i] as number, end: lines[i + 1] as number });
    locations.set(digest as VertexDigest, ranges);
  }
  return { file: json.file, language: json.language, text: json.text, locations };
}

/**
 * A graph from its stored form. Trusts the content (only `graphToJson` writes it, into the user's own state folder)
 * except for its version (TSB_STORE). Takes ownership of `json`.
 */
export function graphFromJson(json: GraphJson): Graph {
  if (json.version !== VERSION)
    throw new TsbuildError("TSB_STORE", `the stored graph has version ${json.version}, not ${VERSION}`);
  const vertices = json.vertices.map(([digest, op, metadata]) => ({
    digest: digest as VertexDigest,
    op: reviveOp(op as Op),
    metadata,
  }));
  const [source, ...otherSources] = json.sources.map(reviveSource);
  return {
    vertices,
    result: json.result,
    ...(source ? { source } : {}),
    ...(otherSources.length > 0 ? { otherSources } : {}),
  };
}
