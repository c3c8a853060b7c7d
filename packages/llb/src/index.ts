export { decodeOp } from "./decode-op.ts";
export { marshalGraph, unmarshalDefinition } from "./definition.ts";
export { marshalOp, opDigest } from "./encode-op.ts";
export { type GraphJson, graphFromJson, graphToJson } from "./graph-json.ts";
export type * from "./op.ts";
export { validateOp } from "./validate-op.ts";
