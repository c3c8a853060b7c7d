import { availableParallelism } from "node:os";
import { crc32 } from "node:zlib";
import { type BlockCompression, compressBlock } from "@tsbuild/native-fs";
import { release } from "../memory.ts";
import type { CompressOptions } from "./compress.ts";

/** Part of the bytes of a blob, and so of the variant's name: without a common window, 1 MiB costs a thousandth of the size. */
const GZIP_BLOCK_BYTES = 1024 * 1024;
/** As above: zstd's window is wider, and 4 MiB cost a hundredth. */
const ZSTD_BLOCK_BYTES = 4 * 1024 * 1024;
/** libuv's pool has four threads for everything. */
const MAX_COMPRESSORS = 4;

/** Fills `block`s, which `next` gives, from chunks of any size. The last one may be shorter, not empty. */
async function* fillBlocks(stream: AsyncIterable<Uint8Array>, next: () => Buffer): AsyncGenerator<Buffer> {
  let block = next();
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + block.length - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < block.length) continue;
      yield block;
      block = next();
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** Buffers of one size, in turn. */
function ring(count: number, sizeBytes: number): () => Buffer {
  const buffers = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(sizeBytes));
  let turn = 0;
  return () => {
    const buffer = buffers[turn];
    if (buffer === undefined) throw new Error("assertion failed: a ring has buffers");
    turn = (turn + 1) % count;
    return buffer;
  };
}

/** A block as it is filled and as it comes out. */
interface Compressed {
  readonly block: Buffer;
  readonly output: Buffer;
}

/**
 * Compresses a stream in blocks, as many at once as there are cores; they come in order. Which blocks there are depends on the input
 * alone, so the result is the same on any number of cores.
 */
async function* inBlocks(
  stream: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  compression: BlockCompression,
  threads: number = Math.min(availableParallelism(), MAX_COMPRESSORS),
): AsyncGenerator<Compressed> {
  const running: Promise<Compressed>[] = [];
  // One more than are compressed at once: it waits until a thread is free, so that none is idle while the first is passed on.
  const ahead = threads + 1;
  // And one that is filled meanwhile.
  for await (const block of fillBlocks(stream, ring(ahead + 1, sizeBytes))) {
    const first = running.length === ahead ? running.shift() : undefined;
    if (first !== undefined) yield await first;
    const compressing = compressBlock(block, compression).then((output) => ({ block, output }));
    // Awaited in its turn; when reading stops earlier, nobody does. The addon keeps the block until it is done with it.
    compressing.catch(() => undefined);
    running.push(compressing);
  }
  for (const compressing of running.splice(0)) yield await compressing;
}

const HEADER = Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
/** An empty last block: with fixed codes, nothing but its end. */
const LAST_BLOCK = Buffer.of(3, 0);

function trailer(crc: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(crc, 0);
  bytes.writeUInt32LE(sizeBytes % 2 ** 32, 4);
  return bytes;
}

/** One gzip member (RFC 1952) of deflate blocks that know nothing of each other. */
export async function* gzip(
  stream: AsyncIterable<Uint8Array>,
  level: number,
  { reuse, threads }: CompressOptions,
): AsyncGenerator<Buffer> {
  const compression: BlockCompression = { algorithm: "deflate", level };
  let crc = 0;
  let sizeBytes = 0;
  yield HEADER;
  for await (const { block, output } of inBlocks(stream, GZIP_BLOCK_BYTES, compression, threads)) {
    crc = crc32(block, crc);
    sizeBytes += block.length;
    yield output;
    if (reuse) release(output);
  }
  yield Buffer.concat([LAST_BLOCK, trailer(crc, sizeBytes)]);
}

/** A zstd frame (RFC 8878) with a checksum for each block; without input one that is empty. */
export async function* zstd(
  stream: AsyncIterable<Uint8Array>,
  level: number,
  { reuse, threads }: CompressOptions,
): AsyncGenerator<Buffer> {
  const compression: BlockCompression = { algorithm: "zstd", level };
  let empty = true;
  for await (const { output } of inBlocks(stream, ZSTD_BLOCK_BYTES, compression, threads)) {
    empty = false;
    yield output;
    if (reuse) release(output);
  }
  if (empty) yield await compressBlock(Buffer.alloc(0), compression);
}
