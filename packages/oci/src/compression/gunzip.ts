import { errnoCode, TsbuildError } from "@tsbuild/base";
import { Inflater, type InflateStep } from "@tsbuild/native-fs";
import type { ByteSource } from "./bytes.ts";

/** Small enough to stay in a core's cache while it is hashed and read (measured: no slower than 1 MiB). */
const PIECE_BYTES = 256 * 1024;
const MAGIC = Buffer.of(0x1f, 0x8b, 0x08);

function damaged(why: string, cause?: unknown): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the gzip data is damaged: ${why}`, { cause });
}

/** EILSEQ of the addon, in the words of the library that inflates. */
export function damageOf(error: Error): TsbuildError {
  return damaged(error.message.replace(/^.*: /, ""), error);
}

/** True when another member follows the one that ended; else there may be nothing, or zeros of padding. */
async function hasNextMember(source: ByteSource): Promise<boolean> {
  const next = await source.peek(MAGIC.length);
  if (next.equals(MAGIC)) return true;
  if (next.every((byte) => byte === 0)) return false;
  throw damaged("something that is not gzip follows it");
}

export interface GunzipOptions {
  /** A piece is gone when the next one is asked for. */
  readonly reuse?: boolean | undefined;
  /** False: the checksums in the data are not compared. */
  readonly checked?: boolean | undefined;
}

/** Gathers what is decompressed in pieces of one size. */
class Pieces {
  readonly #inflater: Inflater;
  readonly #reuse: boolean;
  #output: Buffer;
  #filled = 0;

  constructor({ reuse, checked }: { readonly reuse: boolean; readonly checked: boolean }) {
    this.#inflater = new Inflater({ checked });
    this.#reuse = reuse;
    this.#output = Buffer.allocUnsafeSlow(PIECE_BYTES);
  }

  get isFull(): boolean {
    return this.#filled === PIECE_BYTES;
  }

  run(input: Buffer): InflateStep {
    try {
      const step = this.#inflater.run(input, this.#output.subarray(this.#filled));
      this.#filled += step.produced;
      return step;
    } catch (error) {
      if (errnoCode(error) !== "EILSEQ") throw error;
      throw damageOf(error as Error);
    }
  }

  /** What is there so far, if anything. */
  *take(): Generator<Buffer> {
    if (this.#filled === 0) return;
    const piece = this.#output.subarray(0, this.#filled);
    if (!this.#reuse) this.#output = Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.#filled = 0;
    yield piece;
  }
}

/** All pieces but the last, which is left in `pieces`. */
async function* fullPieces(source: ByteSource, pieces: Pieces): AsyncGenerator<Buffer> {
  for (let isMember = true; isMember; ) {
    let input = await source.take(Number.POSITIVE_INFINITY);
    if (input === undefined) throw damaged("it ends too early");
    for (let hasMore = true; hasMore; ) {
      const step: InflateStep = pieces.run(input);
      input = input.subarray(step.consumed);
      hasMore = !step.ended && (input.length > 0 || pieces.isFull);
      if (pieces.isFull) yield* pieces.take();
      if (!step.ended) continue;
      source.unread(input);
      isMember = await hasNextMember(source);
    }
  }
}

/**
 * Decompresses gzip data, of one member or many (there are layers with a member per file). What comes before damage is given before that
 * is told: it may be enough to know what the data is.
 */
export async function* gunzip(
  source: ByteSource,
  { reuse = false, checked = true }: GunzipOptions = {},
): AsyncGenerator<Buffer> {
  const pieces = new Pieces({ reuse, checked });
  try {
    yield* fullPieces(source, pieces);
  } catch (error) {
    yield* pieces.take();
    throw error;
  }
  yield* pieces.take();
}
