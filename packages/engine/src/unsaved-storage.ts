import type { CacheStorage } from "@tsbuild/solver";

/**
 * The records of a state folder for a build that leaves none: its results count for itself. A step that is run only to be compared must not
 * become what the next build goes on from, or that build would run anew what stands on the step's earlier result.
 */
export function unsavedStorage(storage: CacheStorage): CacheStorage {
  return {
    linked: (parent, link) => storage.linked(parent, link),
    records: (key) => storage.records(key),
    keysOf: (result, atMost) => storage.keysOf(result, atMost),
    save: () => undefined,
    newestLike: (description) => storage.newestLike(description),
    isForeign: (key) => storage.isForeign?.(key) ?? false,
    load: (record, context) => storage.load(record, context),
  };
}
