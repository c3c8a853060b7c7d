export {
  type CompressionVariant,
  type Compressor,
  compress,
  DEFAULT_LEVELS,
  type LayerCompression,
  layerMediaType,
  variantName,
} from "./compression/compress.ts";
export { type DecompressOptions, decompress } from "./compression/decompress.ts";
export { type Compression, sniffCompression } from "./compression/sniff.ts";
export {
  familiarName,
  formatReference,
  type ImageName,
  type ImageReference,
  parseReference,
} from "./reference.ts";
export type { TarEntry, TarEntryType, TarMember } from "./tar/entry.ts";
export { type ReadMember, readTar } from "./tar/reader.ts";
export { writeTar } from "./tar/writer.ts";
export {
  type ContainerConfig,
  type Descriptor,
  type DescriptorPlatform,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  type Index,
  type Manifest,
  mediaTypes,
} from "./types.ts";
