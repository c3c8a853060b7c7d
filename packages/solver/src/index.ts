export { MemoryWorkLocks } from "./memory-locks.ts";
export { MemoryCacheStorage, MemoryResults } from "./memory-storage.ts";
export type * from "./ports.ts";
