import { addon } from "./addon.ts";

export interface BlockCompression {
  readonly algorithm: "deflate" | "zstd";
  /** deflate 0–9, zstd 1–22. */
  readonly level: number;
}

/** Of what core/deflate.c writes: whoever changes that changes this. */
const DEFLATE_VERSION = 4;

/** Levels that core/deflate.c has; others are zlib's. */
function isOwnLevel(level: number): boolean {
  return level >= 4 && level <= 7;
}

/** What the bytes of a deflate block depend on besides its level: part of the names under which blobs are remembered. */
export function deflateName(level: number): string {
  return isOwnLevel(level) ? `deflate${DEFLATE_VERSION}` : `${process.versions.zlib}-memory9`;
}

/** zstd's tables at level 3 for blocks of 4 MiB, or all that deflate takes. */
const WORK_BYTES = 2 * 1024 * 1024;

/**
 * Compresses blocks of at most `blockBytes`, one after the other, on a thread of libuv's pool, in memory that it keeps: the pages of new
 * memory for each block would cost a tenth of the whole. A block knows nothing of others: `deflate` gives raw deflate blocks (RFC 1951)
 * that end on a whole byte and are not the last, `zstd` a whole frame with a checksum (RFC 8878). Equal blocks give equal bytes.
 */
export class BlockCompressor {
  readonly #compression: BlockCompression;
  readonly #output: Buffer;
  readonly #work = Buffer.allocUnsafeSlow(WORK_BYTES);

  constructor(compression: BlockCompression, blockBytes: number) {
    this.#compression = compression;
    // More than what either algorithm makes of noise. Pages that are never written to are never there.
    this.#output = Buffer.allocUnsafeSlow(blockBytes + Math.ceil(blockBytes / 8) + 4096);
  }

  /** The block must not be changed meanwhile. The result is gone when the next one is begun. */
  async compress(block: Uint8Array): Promise<Buffer> {
    const { algorithm, level } = this.#compression;
    const size = await addon().compress(algorithm === "zstd", level, block, this.#output, this.#work);
    return this.#output.subarray(0, size);
  }
}
