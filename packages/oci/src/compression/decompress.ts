import { Readable } from "node:stream";
import { limits, TsbuildError } from "@tsbuild/base";
import { copied, LENT_TO_READABLE, lent, released } from "../memory.ts";
import { ByteSource } from "./bytes.ts";
import type { GunzipOptions } from "./gunzip.ts";
import { pipeThrough } from "./pipe.ts";
import { SNIFF_BYTES, sniffCompression } from "./sniff.ts";

export interface DecompressOptions {
  /** More decompressed bytes than this reject with TSB_INTEGRITY. */
  readonly maxBytes?: number | undefined;
  /** From how many bytes on their ratio to the compressed ones counts; default: `limits.unpackedFreeBytes`. */
  readonly freeBytes?: number | undefined;
  /** Who reads is done with a piece when it asks for the next: its memory is used again, or given back. */
  readonly reuse?: boolean | undefined;
  /** Who reads compares a digest of all that comes out: then a checksum in gzip data, which says less, need not be worked out as well. */
  readonly isDigested?: boolean | undefined;
}

/** These decoders' own words ("Boom.") tell a user nothing; they stay as the cause. */
function damaged(name: string, error: unknown): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the ${name} data is damaged or cut`, { cause: error });
}

async function* ungzip(source: ByteSource, options: GunzipOptions): AsyncGenerator<Buffer> {
  const { gunzip } = await import("./gunzip.ts");
  yield* gunzip(source, options);
}

async function* unzstd(source: ByteSource): AsyncGenerator<Buffer> {
  const { createZstdDecompress } = await import("node:zlib");
  yield* pipeThrough(Readable.from(lent(source.rest()), LENT_TO_READABLE), createZstdDecompress(), "zstd");
}

/** xz-decompress is liblzma's little sister (xz-embedded) as WebAssembly: streaming, no native code. */
async function* unxz(source: ByteSource): AsyncGenerator<Buffer> {
  // A CommonJS module that says it was an ES module: Node gives it as `default` all the same, a bundler gives its names.
  const loaded: { default?: typeof import("xz-decompress") } & Partial<typeof import("xz-decompress")> =
    await import("xz-decompress");
  const { XzReadableStream } = loaded.default ?? (loaded as typeof import("xz-decompress"));
  let ofSource: { readonly error: unknown } | undefined;
  const input = async function* () {
    try {
      yield* copied(source.rest());
    } catch (error) {
      ofSource = { error };
      throw error;
    }
  };
  const decoded = new XzReadableStream(ReadableStream.from(input())).getReader();
  try {
    for (let next = await decoded.read(); !next.done; next = await decoded.read()) {
      // Its bytes are the decoder's own memory.
      yield Buffer.from(next.value);
    }
  } catch (error) {
    if (ofSource !== undefined) throw ofSource.error;
    throw damaged("xz", error);
  } finally {
    // Who reads no further frees the decoder for the next; what the decoder says of that, it says of no data.
    await decoded.cancel().catch(() => undefined);
  }
}

/**
 * unbzip2-stream predates today's streams: it decodes in `write`, hands blocks out by events and cannot be slowed down. So it is fed
 * a slice at a time, and what a slice gave is passed on before the next.
 */
async function* unbzip2(source: ByteSource): AsyncGenerator<Buffer> {
  const { default: unbzip2Stream } = await import("unbzip2-stream");
  const decoder = unbzip2Stream();
  let blocks: Buffer[] = [];
  let failure: unknown;
  decoder.on("data", (block: Buffer) => blocks.push(block));
  decoder.on("error", (error: unknown) => {
    failure ??= error;
  });
  const passOn = (): Buffer[] => {
    if (failure !== undefined) throw damaged("bzip2", failure);
    const done = blocks;
    blocks = [];
    return done;
  };
  for await (const slice of copied(source.rest())) {
    decoder.write(slice);
    yield* passOn();
  }
  decoder.end();
  yield* passOn();
}

/** More comes out than may. */
export function beyond(maxBytes: number | undefined): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the data decompresses to more than ${maxBytes} bytes`, {
    hint: "the archive is larger than what is allowed here, or made to fill the disk",
  });
}

async function* bounded(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw beyond(maxBytes);
    yield chunk;
  }
}

/** Passes a stream on and counts its bytes. */
class Counted {
  sizeBytes = 0;
  readonly stream: AsyncIterable<Uint8Array>;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.stream = this.#count(stream);
  }

  async *#count(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      this.sizeBytes += chunk.length;
      yield chunk;
    }
  }
}

/** A kilobyte of zstd can stand for a terabyte of zeros: what no honest data comes to ends in an error before the disk is full. */
async function* noBomb(
  chunks: AsyncIterable<Buffer>,
  source: Counted,
  freeBytes: number,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > freeBytes && size - freeBytes > limits.unpackedRatio * source.sizeBytes) {
      throw new TsbuildError(
        "TSB_INTEGRITY",
        `${source.sizeBytes} bytes decompress to more than ${size}: a decompression bomb`,
        { hint: "compressed with gzip, whose ratio has a bound, it is taken for what it is" },
      );
    }
    yield chunk;
  }
}

/**
 * Decompresses what the first bytes say it is: gzip, bzip2, xz, zstd, or passes it through. It is done with a chunk when it asks for the
 * next; so is who reads what is passed through. Rejects with TSB_INTEGRITY on damaged or cut data. Decoders are loaded when needed.
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  options: DecompressOptions = {},
): AsyncGenerator<Buffer> {
  const counted = new Counted(stream);
  const source = new ByteSource(counted.stream);
  const { reuse } = options;
  const decoders = {
    none: () => source.rest(),
    gzip: () => ungzip(source, { reuse, checked: !options.isDigested }),
    zstd: () => (reuse ? released(unzstd(source)) : unzstd(source)),
    xz: () => (reuse ? released(unxz(source)) : unxz(source)),
    bzip2: () => unbzip2(source),
  };
  try {
    const decoded = decoders[sniffCompression(await source.peek(SNIFF_BYTES))]();
    const { maxBytes, freeBytes = limits.unpackedFreeBytes } = options;
    yield* maxBytes === undefined ? noBomb(decoded, counted, freeBytes) : bounded(decoded, maxBytes);
  } finally {
    await source.close();
  }
}
