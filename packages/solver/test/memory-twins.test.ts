import { MemoryCacheStorage, MemoryWorkLocks } from "@tsbuild/solver";
import { cacheStorageSuite, workLocksSuite } from "@tsbuild/testkit";

cacheStorageSuite("memory", () => {
  const storage = new MemoryCacheStorage<number>();
  return {
    storage,
    makeResult: () => {
      const ref = storage.results.create(1);
      ref.release();
      return ref.id!;
    },
    evict: (result) => storage.results.evict(result),
    reopen: () => storage,
  };
});

workLocksSuite("memory", () => {
  const locks = new MemoryWorkLocks();
  return { locks, reopen: () => locks };
});
