import { Readable } from "node:stream";
import { mediaTypes } from "../types.ts";
import { pipeThrough } from "./pipe.ts";

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
  const library = compression === "gzip" ? process.versions.zlib : process.versions["zstd"];
  return `${compression}-${level ?? DEFAULT_LEVELS[compression]}-${library ?? "unknown"}`;
}

/** Media type of a layer blob (image-spec layer.md; Docker's types where `docker` is set, which has none for zstd). */
export function layerMediaType(compression: LayerCompression, docker = false): string {
  if (compression === "zstd") return mediaTypes.ociLayerZstd;
  if (compression === "gzip") return docker ? mediaTypes.dockerLayerGzip : mediaTypes.ociLayerGzip;
  return docker ? mediaTypes.dockerLayer : mediaTypes.ociLayer;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Compresses a stream. Equal input gives equal bytes: node:zlib writes no time and no name into the gzip header. (`Compressor` is a
 * port: one that uses several cores can take this one's place, under a variant name of its own.)
 */
export type Compressor = (
  stream: AsyncIterable<Uint8Array>,
  variant: CompressionVariant,
) => AsyncIterable<Uint8Array>;

export const compress: Compressor = (stream, variant) =>
  variant.compression === "uncompressed" ? stream : compressed(stream, variant);

async function* compressed(
  stream: AsyncIterable<Uint8Array>,
  { compression, level = DEFAULT_LEVELS[compression] }: CompressionVariant,
): AsyncGenerator<Buffer> {
  const { constants, createGzip, createZstdCompress } = await import("node:zlib");
  const source = Readable.from(stream, { objectMode: true, highWaterMark: 2 });
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const through =
    compression === "gzip"
      ? createGzip({ level, chunkSize: CHUNK_BYTES })
      : createZstdCompress({ params, chunkSize: CHUNK_BYTES });
  yield* pipeThrough(source, through, compression);
}
