import { addon } from "./addon.ts";

export interface BlockCompression {
  readonly algorithm: "deflate" | "zstd";
  /** deflate 0–9, zstd 1–22. */
  readonly level: number;
}

/**
 * Compresses a block that knows nothing of others, on a thread of libuv's pool: `deflate` gives raw deflate blocks (RFC 1951) that end on a
 * whole byte and are not the last, `zstd` a whole frame with a checksum (RFC 8878). Equal blocks give equal bytes. The block must not
 * be changed meanwhile.
 */
export function compressBlock(block: Uint8Array, { algorithm, level }: BlockCompression): Promise<Buffer> {
  return addon().compress(algorithm === "zstd", level, block);
}
