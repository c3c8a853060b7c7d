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

/** Blocks of one size. zstd's output depends on how its input is cut; deflate's does not. */
async function* inBlocks(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + CHUNK_BYTES - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < CHUNK_BYTES) continue;
      yield block;
      block = Buffer.allocUnsafe(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

async function* compressed(
  stream: AsyncIterable<Uint8Array>,
  { compression, level = DEFAULT_LEVELS[compression] }: CompressionVariant,
): AsyncGenerator<Buffer> {
  const { constants, createGzip, createZstdCompress } = await import("node:zlib");
  const input = compression === "zstd" ? inBlocks(stream) : stream;
  const source = Readable.from(input, { objectMode: true, highWaterMark: 2 });
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const through =
    compression === "gzip"
      ? createGzip({ level, chunkSize: CHUNK_BYTES })
      : createZstdCompress({ params, chunkSize: CHUNK_BYTES });
  yield* pipeThrough(source, through, compression);
}
