import { deflateName } from "@tsbuild/native-fs";
import { mediaTypes } from "../types.ts";

export type LayerCompression = "gzip" | "zstd" | "uncompressed";

export interface CompressionVariant {
  readonly compression: LayerCompression;
  /** gzip 0–9 (6), zstd 1–22 (3). */
  readonly level?: number | undefined;
}

export const DEFAULT_LEVELS = { gzip: 6, zstd: 3, uncompressed: 0 } as const;

/**
 * Name under which a compressed blob is remembered. The bytes depend on the compressor as well as on the level (X019), so its
 * version is part of it.
 */
export function variantName({ compression, level }: CompressionVariant): string {
  if (compression === "uncompressed") return "uncompressed";
  const exact = level ?? DEFAULT_LEVELS[compression];
  // With what shapes the bytes besides: how the input is cut.
  const library =
    compression === "gzip"
      ? `${deflateName(exact)}-blocks1m`
      : `${process.versions["zstd"] ?? "unknown"}-frames4m`;
  return `${compression}-${exact}-${library}`;
}

/** Media type of a layer blob (image-spec layer.md; Docker's types where `docker` is set). */
export function layerMediaType(compression: LayerCompression, docker = false): string {
  if (compression === "zstd") return docker ? mediaTypes.dockerLayerZstd : mediaTypes.ociLayerZstd;
  if (compression === "gzip") return docker ? mediaTypes.dockerLayerGzip : mediaTypes.ociLayerGzip;
  return docker ? mediaTypes.dockerLayer : mediaTypes.ociLayer;
}

/** The compression that a layer's media type names, of either family. */
export function compressionOf(mediaType: string): LayerCompression {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  return /[+.]zstd$/.test(mediaType) ? "zstd" : "uncompressed";
}

export interface CompressOptions {
  /** The memory of a chunk is used again when the next one is asked for: for readers that are done with it by then. */
  readonly reuse?: boolean | undefined;
  /** Blocks compressed at once; default: the number of processors, at most four. The bytes do not depend on it. */
  readonly threads?: number | undefined;
}

/**
 * Compresses a stream; it is done with a chunk when it asks for the next. Equal input gives equal bytes, on any number of cores: the
 * input is cut into blocks of one size, however it comes, and the gzip header has no time and no name.
 */
export async function* compress(
  stream: AsyncIterable<Uint8Array>,
  variant: CompressionVariant,
  options: CompressOptions = {},
): AsyncGenerator<Uint8Array> {
  if (variant.compression === "uncompressed") {
    yield* stream;
    return;
  }
  const { gzip, zstd } = await import("./blocks.ts");
  const level = variant.level ?? DEFAULT_LEVELS[variant.compression];
  const compressor = variant.compression === "gzip" ? gzip : zstd;
  yield* compressor(stream, level, options);
}
