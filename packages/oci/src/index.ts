export {
  type CompressionVariant,
  type CompressOptions,
  compress,
  compressionOf,
  DEFAULT_LEVELS,
  type LayerCompression,
  layerMediaType,
  variantName,
} from "./compression/compress.ts";
export { type DecompressOptions, decompress } from "./compression/decompress.ts";
export {
  type EstargzSummary,
  estargz,
  estargzVariant,
  TOC_DIGEST,
  UNCOMPRESSED_SIZE,
} from "./compression/estargz.ts";
export { type Compression, sniffCompression } from "./compression/sniff.ts";
export { alignHistory, withAlignedHistory } from "./documents/align-history.ts";
export { parseImageConfig } from "./documents/config.ts";
export { type DockerArchiveImage, parseDockerArchive } from "./documents/docker-archive.ts";
export {
  isIndexType,
  isManifestType,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
} from "./documents/manifest.ts";
export { bestPlatform, imageManifests, indexReference, selectPlatform } from "./documents/platform.ts";
export {
  canonicalJson,
  serializeImageConfig,
  serializeIndex,
  serializeManifest,
} from "./documents/serialize.ts";
export type { ReadCalls } from "./layer/contents.ts";
export { dropIdleWhiteouts } from "./layer/idle-whiteouts.ts";
export { measureLayer, type PackedLayer } from "./layer/measure.ts";
export { type PackOptions, packLayer, packLayerPieces, packTree } from "./layer/pack.ts";
export { type LayerPlan, type PlacedFile, planLayer } from "./layer/plan.ts";
export type { WriteCalls } from "./layer/tree-writer.ts";
export { isArchive, type UnpackArchiveOptions, unpackArchive } from "./layer/unpack-archive.ts";
export {
  inheritFolders,
  type UnpackedLayer,
  type UnpackLayerOptions,
  unpackLayer,
} from "./layer/unpack-layer.ts";
export { isOpaque, isWhiteout } from "./layer/whiteout.ts";
export { ImageLayout, type LayoutImage, type LayoutSelector } from "./layout/read.ts";
export {
  blobOffset,
  type LayoutBlob,
  type LayoutContents,
  layoutMembers,
  writeLayout,
} from "./layout/write.ts";
export { copied, LENT_TO_READABLE, lent, released } from "./memory.ts";
export { readFileReusing } from "./read-file.ts";
export {
  familiarName,
  formatReference,
  type ImageName,
  type ImageReference,
  parseReference,
  shownName,
} from "./reference.ts";
export type { FileRange, TarEntry, TarEntryType, TarMember, TarPiece } from "./tar/entry.ts";
export { bytesOf, fileRanges } from "./tar/ranges.ts";
export { type ReadMember, readTar } from "./tar/reader.ts";
export { type WriteTarOptions, writeTar, writeTarPieces } from "./tar/writer.ts";
export { type ClampOptions, clampLayer, hasLaterTimes } from "./tree/clamp.ts";
export { type CopyMergedOptions, copyMerged } from "./tree/copy.ts";
export { type CopyPathOptions, copyPath } from "./tree/copy-path.ts";
export { type MergedTree, type PackMergedOptions, packMerged } from "./tree/merged.ts";
export {
  applyTreeOps,
  cloneTree,
  layerOps,
  type ReplayCalls,
  ReplayOps,
  type ReplayOptions,
  replayLayer,
  replayRoot,
} from "./tree/replay.ts";
export {
  type ContainerConfig,
  type Descriptor,
  type DescriptorPlatform,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  INLINE_CACHE_KEY,
  type Index,
  type Manifest,
  mediaTypes,
} from "./types.ts";
export { GrowingFile } from "./workers/growing-file.ts";
export type { PackJob, UnpackJob } from "./workers/job.ts";
export {
  isSmallFolder,
  type JobOptions,
  LayerWorkers,
  type PackedStream,
  setWorkerEntry,
} from "./workers/layer-workers.ts";
