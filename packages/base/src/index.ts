export { epochMs, monotonicMs } from "./clock.ts";
export {
  type ChainId,
  chainId,
  computeDigestsBy,
  type DiffId,
  type Digest,
  digestHex,
  isDigest,
  parseDigest,
  type Sha256,
  type SnapshotId,
  sha256,
  sha256Fields,
  type VertexDigest,
} from "./digest.ts";
export {
  assert,
  bugText,
  type ErrorCode,
  type ErrorDetails,
  errnoCode,
  type LineRange,
  type SourceLocation,
  TsbuildError,
} from "./error.ts";
export type {
  BuildEvent,
  CacheReason,
  EventSink,
  KeptRecord,
  KeyChange,
  Timestamp,
  VertexInfo,
  VertexResources,
} from "./event.ts";
export { hideCredentials } from "./hide-credentials.ts";
export { limits } from "./limits.ts";
export { nearest, suggestion } from "./near-miss.ts";
export { formatPlatform, hostPlatform, normalizeArchitecture, type Platform } from "./platform.ts";
export { looksSecret } from "./secret-name.ts";
export { parseTruth } from "./truth.ts";
export { uniqueName } from "./unique-name.ts";
