export { diff, merge } from "./builder/compose.ts";
export {
  type CopyOptions,
  copy,
  FileActions,
  type MkdirOptions,
  type MkfileOptions,
  mkdir,
  mkfile,
  type OwnerSpec,
  type RmOptions,
  rm,
  symlink,
} from "./builder/file-actions.ts";
export { buildGraph } from "./builder/graph.ts";
export type { Annotations, Output, OutputSource, SourceFile } from "./builder/planned-vertex.ts";
export { stateOf } from "./builder/reuse.ts";
export type { RunMount, RunOptions, RunSecret } from "./builder/run.ts";
export {
  type HttpOptions,
  http,
  type ImageOptions,
  image,
  type LocalOptions,
  local,
  type OciLayoutOptions,
  ociLayout,
  source,
} from "./builder/source.ts";
export { defer, ExecState, State, scratch } from "./builder/state.ts";
export { decodeOp } from "./decode-op.ts";
export { marshalGraph, unmarshalDefinition } from "./definition.ts";
export { marshalOp, opDigest } from "./encode-op.ts";
export { type GraphJson, graphFromJson, graphToJson } from "./graph-json.ts";
export type * from "./op.ts";
export { sourceLocation, sourcePlace, sourcesOf } from "./places.ts";
export { describePragma, durationText, pragmaOf, type StepPragma } from "./pragma.ts";
export { type UnitedGraph, uniteGraphs } from "./unite.ts";
export { validateOp } from "./validate-op.ts";
