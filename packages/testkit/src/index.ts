export { type BlobStoreHarness, blobStoreSuite } from "./blob-store-suite.ts";
export { type CacheStorageHarness, cacheStorageSuite } from "./cache-storage-suite.ts";
export { type GhaServer, startGhaServer } from "./gha-server.ts";
export {
  constant,
  gate,
  type IntegerInput,
  type IntegerReport,
  type IntegerSolveOptions,
  type IntegerSpec,
  type IntegerVertex,
  IntegerWorld,
  integer,
  integerGraph,
} from "./integer-ops.ts";
export { type Fault, type RegistryRequest, startRegistry, type TestRegistry } from "./registry.ts";
export { type S3Server, startS3Server } from "./s3-server.ts";
export { type SnapshotStoreHarness, snapshotStoreSuite } from "./snapshot-store-suite.ts";
export { startTokenServer, type TokenServer } from "./token-server.ts";
export { type WorkLocksHarness, workLocksSuite } from "./work-locks-suite.ts";
