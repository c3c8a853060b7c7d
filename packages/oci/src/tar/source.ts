const EMPTY = Buffer.alloc(0);

/**
 * The bytes of an archive in the pieces that its reader asks for; a piece is gone when the next is asked for. Most asks are for bytes that are
 * at hand: for those there are functions that wait for nothing, since a promise for each piece of each small file takes longer than the rest.
 */
export class TarSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Buffer = EMPTY;
  /** What of `#chunk` has been taken. */
  #taken = 0;
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `count` bytes in place, when they are at hand. */
  now(count: number): Buffer | undefined {
    const end = this.#taken + count;
    if (end > this.#chunk.length) return undefined;
    const piece = this.#chunk.subarray(this.#taken, end);
    this.#taken = end;
    return piece;
  }

  /** Passes over as many bytes of `count` as are at hand; returns how many are left. */
  skipNow(count: number): number {
    const passed = Math.min(count, this.#chunk.length - this.#taken);
    this.#taken += passed;
    return count - passed;
  }

  /** True when there are bytes at hand. */
  async #fill(): Promise<boolean> {
    if (this.#taken < this.#chunk.length) return true;
    this.#chunk = EMPTY;
    this.#taken = 0;
    while (!this.#ended) {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#ended = true;
      else if (value.length > 0) {
        this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
        return true;
      }
    }
    return false;
  }

  /**
   * Lets `take` have the bytes at hand, and those that follow as long as it takes all it gets; it tells how many it is done with. False: the
   * stream has ended.
   */
  async giveTo(take: (bytes: Buffer) => number | Promise<number>): Promise<boolean> {
    while (await this.#fill()) {
      const bytes = this.#chunk.subarray(this.#taken);
      const taking = take(bytes);
      const count = typeof taking === "number" ? taking : await taking;
      this.#taken += count;
      if (count < bytes.length) return true;
    }
    return false;
  }

  /** Bytes at hand, at least one and at most `max`, left in place; undefined at the end. */
  async some(max: number): Promise<Buffer | undefined> {
    if (!(await this.#fill())) return undefined;
    const piece = this.#chunk.subarray(this.#taken, this.#taken + max);
    this.#taken += piece.length;
    return piece;
  }

  /** The next `count` bytes, in place where they lie together; fewer only at the end. */
  async exactly(count: number): Promise<Buffer> {
    const first = (await this.some(count)) ?? EMPTY;
    if (first.length === count) return first;
    // Copied before the next chunk is asked for: then it may be gone.
    const parts = [Buffer.from(first)];
    for (let left = count - first.length; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) break;
      parts.push(Buffer.from(part));
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** Passes over `count` bytes; false when there are not so many. */
  async skip(count: number): Promise<boolean> {
    for (let left = this.skipNow(count); left > 0; left = this.skipNow(left)) {
      if (!(await this.#fill())) return false;
    }
    return true;
  }

  /** Ends the stream, if it has not ended. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#chunks.return?.();
    this.#ended = true;
  }
}
