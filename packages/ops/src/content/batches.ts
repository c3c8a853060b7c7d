/** Files from this size on are calls of their own. */
const LARGE_BYTES = 1024 * 1024;
/** Fewer small files are not worth a call. */
const LEAST = 32;

export interface BatchLimits {
  /** Files of one call: bounds its memory, and how long an abort waits. */
  readonly most: number;
  /** Calls at the same time. */
  readonly threads: number;
}

/**
 * Shares files out to calls of the addon that run at the same time, each on one thread. Large ones come first and alone: one that begins when all others
 * are done keeps a single processor busy. Each call of `take` gives the next files until there are none.
 */
export class Batches {
  readonly #files: Uint32Array;
  readonly #large: number;
  readonly #size: number;
  #next = 0;

  constructor(files: Uint32Array, sizeOf: (index: number) => number, { most, threads }: BatchLimits) {
    const large = files.filter((index) => sizeOf(index) >= LARGE_BYTES);
    const others = large.length === 0 ? files : files.filter((index) => sizeOf(index) < LARGE_BYTES);
    this.#files = large.length === 0 ? files : Uint32Array.from([...large, ...others]);
    this.#large = large.length;
    this.#size = Math.min(most, Math.max(LEAST, Math.ceil(others.length / threads)));
  }

  take(): Uint32Array {
    const count = this.#next < this.#large ? 1 : this.#size;
    const batch = this.#files.subarray(this.#next, this.#next + count);
    this.#next += batch.length;
    return batch;
  }
}
