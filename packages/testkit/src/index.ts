export { type BlobStoreHarness, blobStoreSuite } from "./blob-store-suite.ts";
export { type CacheStorageHarness, cacheStorageSuite } from "./cache-storage-suite.ts";
export { type Fault, type RegistryRequest, startRegistry, type TestRegistry } from "./registry.ts";
export { type SnapshotStoreHarness, snapshotStoreSuite } from "./snapshot-store-suite.ts";
export { type WorkLocksHarness, workLocksSuite } from "./work-locks-suite.ts";
