import { availableParallelism } from "node:os";
import {
  constants,
  crc32,
  createDeflateRaw,
  createZstdCompress,
  type DeflateRaw,
  type ZstdCompress,
} from "node:zlib";

import { releaseBehind } from "../memory.ts";

const OUTPUT_BYTES = 128 * 1024;
const ZSTD_BLOCK_BYTES = 256 * 1024;
/** Part of the bytes of a blob, and so of the variant's name: without a common window, 1 MiB costs a thousandth of the size. */
const GZIP_BLOCK_BYTES = 1024 * 1024;
/** libuv's pool has four threads for everything. */
const MAX_DEFLATERS = 4;

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

/** One of node:zlib's streams, asked for what comes out of each piece that goes in. It works on a thread of libuv's pool. */
class Machine<T extends DeflateRaw | ZstdCompress> {
  readonly stream: T;
  #output: Buffer[] = [];
  #failure: Error | undefined;

  constructor(stream: T) {
    this.stream = stream;
    stream.on("data", (chunk: Buffer) => this.#output.push(chunk));
    stream.on("error", (error: Error) => {
      this.#failure = error;
    });
  }

  /** Performs `work`, which calls back when done; then its input may be used again. */
  async run(work: (done: (error?: Error | null) => void) => void): Promise<Buffer[]> {
    await new Promise<void>((resolve, reject) => {
      work((error) => (error ? reject(error) : resolve()));
    });
    if (this.#failure !== undefined) throw this.#failure;
    // What it has not told of yet.
    while (this.stream.readableLength > 0) this.stream.read();
    const output = this.#output;
    this.#output = [];
    return output;
  }
}

function* passOn(output: readonly Buffer[], reuse: boolean): Generator<Buffer> {
  for (const chunk of output) {
    yield chunk;
    if (reuse) releaseBehind(chunk);
  }
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

function deflateBlock(machine: Machine<DeflateRaw>, block: Buffer): Promise<Buffer[]> {
  // As new, so that the bytes do not depend on which machine gets which block.
  machine.stream.reset();
  return machine.run((done) => {
    let failure: Error | null | undefined;
    machine.stream.write(block, (error) => {
      failure = error;
    });
    // Ends on a whole byte, and the next block may follow.
    machine.stream.flush(constants.Z_SYNC_FLUSH, () => done(failure));
  });
}

/**
 * One gzip member (RFC 1952) of deflate blocks that know nothing of each other, so that several are made at once. Which is why the result
 * is the same on any number of cores.
 */
export async function* gzip(
  stream: AsyncIterable<Uint8Array>,
  level: number,
  reuse: boolean,
): AsyncGenerator<Buffer> {
  const count = Math.max(1, Math.min(availableParallelism(), MAX_DEFLATERS));
  const machines = Array.from(
    { length: count },
    () => new Machine(createDeflateRaw({ level, chunkSize: OUTPUT_BYTES })),
  );
  const running: Promise<Buffer[]>[] = [];
  let crc = 0;
  let sizeBytes = 0;
  let turn = 0;
  yield HEADER;
  try {
    // One more than there are machines: it is filled meanwhile.
    for await (const block of fillBlocks(stream, ring(count + 1, GZIP_BLOCK_BYTES))) {
      if (running.length === count) yield* passOn((await running.shift()) ?? [], reuse);
      const machine = machines[turn++ % count];
      if (machine === undefined) throw new Error("assertion failed: there is a machine");
      const compressing = deflateBlock(machine, block);
      // Awaited in its turn; when reading stops earlier, nobody does.
      compressing.catch(() => undefined);
      running.push(compressing);
      crc = crc32(block, crc);
      sizeBytes += block.length;
    }
    for (const compressing of running.splice(0)) yield* passOn(await compressing, reuse);
    yield Buffer.concat([LAST_BLOCK, trailer(crc, sizeBytes)]);
  } finally {
    // Those still at work read their blocks until they are done; the memory stays theirs.
    for (const machine of machines) machine.stream.destroy();
  }
}

/** One zstd frame (RFC 8878) with a checksum; the next block is filled while one is compressed. */
export async function* zstd(
  stream: AsyncIterable<Uint8Array>,
  level: number,
  reuse: boolean,
): AsyncGenerator<Buffer> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  const machine = new Machine(createZstdCompress({ params, chunkSize: OUTPUT_BYTES }));
  let running: Promise<Buffer[]> | undefined;
  try {
    for await (const block of fillBlocks(stream, ring(2, ZSTD_BLOCK_BYTES))) {
      if (running !== undefined) yield* passOn(await running, reuse);
      running = machine.run((done) => machine.stream.write(block, done));
      running.catch(() => undefined);
    }
    if (running !== undefined) yield* passOn(await running, reuse);
    const end = await machine.run((done) => {
      machine.stream.once("end", done);
      machine.stream.end();
    });
    yield* passOn(end, reuse);
  } finally {
    machine.stream.destroy();
  }
}
