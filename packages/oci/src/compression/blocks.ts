import { availableParallelism } from "node:os";
import { crc32 } from "node:zlib";
import { type BlockCompression, BlockCompressor } from "@tsbuild/native-fs";
import type { CompressOptions } from "./compress.ts";

/** Part of the bytes of a blob, and so of the variant's name: without a common window, 1 MiB costs a thousandth of the size. */
const GZIP_BLOCK_BYTES = 1024 * 1024;
/** As above: zstd's window is wider, and 4 MiB cost a hundredth. */
const ZSTD_BLOCK_BYTES = 4 * 1024 * 1024;
/** libuv's pool has four threads for everything. */
const MAX_COMPRESSORS = 4;

/** Memory for one block on its way: what it is filled into, and what compresses it. */
interface Slot {
  readonly block: Buffer;
  readonly compressor: BlockCompressor;
}

/** A block as it is filled. */
interface Filled {
  readonly slot: Slot;
  readonly block: Buffer;
}

/** Fills the blocks of `slots`, which `next` gives, from chunks of any size. The last one may be shorter, not empty. */
async function* fillBlocks(stream: AsyncIterable<Uint8Array>, next: () => Slot): AsyncGenerator<Filled> {
  let slot = next();
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + slot.block.length - filled);
      slot.block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < slot.block.length) continue;
      yield { slot, block: slot.block };
      slot = next();
      filled = 0;
    }
  }
  if (filled > 0) yield { slot, block: slot.block.subarray(0, filled) };
}

/** Slots, in turn. */
function ring(count: number, make: () => Slot): () => Slot {
  const slots: Slot[] = [];
  let turn = 0;
  return () => {
    const slot = slots[turn] ?? make();
    slots[turn] = slot;
    turn = (turn + 1) % count;
    return slot;
  };
}

/** A block as it was filled and as it comes out; both are memory that is used again when the next one is asked for. */
interface Compressed {
  readonly block: Buffer;
  readonly output: Buffer;
}

interface Blocks {
  readonly sizeBytes: number;
  readonly compression: BlockCompression;
  readonly threads?: number | undefined;
}

/**
 * Compresses a stream in blocks, as many at once as there are cores; they come in order. Which blocks there are depends on the input
 * alone, so the result is the same on any number of cores.
 */
async function* inBlocks(
  stream: AsyncIterable<Uint8Array>,
  { sizeBytes, compression, threads = Math.min(availableParallelism(), MAX_COMPRESSORS) }: Blocks,
): AsyncGenerator<Compressed> {
  const running: Promise<Compressed>[] = [];
  // One more than are compressed at once: it waits until a thread is free, so that none is idle while the first is passed on.
  const ahead = threads + 1;
  // And one that is filled meanwhile.
  const slots = ring(ahead + 1, () => ({
    block: Buffer.allocUnsafeSlow(sizeBytes),
    compressor: new BlockCompressor(compression, sizeBytes),
  }));
  for await (const { slot, block } of fillBlocks(stream, slots)) {
    const first = running.length === ahead ? running.shift() : undefined;
    if (first !== undefined) yield await first;
    const compressing = slot.compressor.compress(block).then((output) => ({ block, output }));
    // Awaited in its turn; when reading stops earlier, nobody does. The addon keeps the memory until it is done with it.
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
  const blocks = inBlocks(stream, { sizeBytes: GZIP_BLOCK_BYTES, compression, threads });
  for await (const { block, output } of blocks) {
    crc = crc32(block, crc);
    sizeBytes += block.length;
    yield reuse ? output : Buffer.from(output);
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
  for await (const { output } of inBlocks(stream, { sizeBytes: ZSTD_BLOCK_BYTES, compression, threads })) {
    empty = false;
    yield reuse ? output : Buffer.from(output);
  }
  if (empty) yield await new BlockCompressor(compression, 0).compress(Buffer.alloc(0));
}
