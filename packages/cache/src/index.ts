export { CACHE_MOUNT_TYPE } from "./document.ts";
export {
  annotated,
  CacheExport,
  collectChains,
  type ExportSummary,
  exportFailure,
  type LayersOf,
  layerCreatedMs,
  type OutgoingLayer,
  type OutgoingMount,
} from "./export.ts";
export { ImportedGraph } from "./imported-graph.ts";
export { type FetchResult, type ImportedStack, ImportingStorage } from "./imported-storage.ts";
export { inlineRecords } from "./inline.ts";
export type { CacheRequest, MountChoice, TargetSettings } from "./options.ts";
export { CacheOptions, checkInline, mountChoice, targetSettings } from "./options.ts";
export { openSource, openTarget, type PlaceOptions } from "./places.ts";
export type { CacheSource, CacheTarget, ImportedCache, OutgoingBlob } from "./ports.ts";
