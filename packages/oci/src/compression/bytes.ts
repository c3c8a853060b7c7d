/** Of what is passed on as it came. */
const PIECE_BYTES = 256 * 1024;

/** Reads a stream of chunks in the pieces one asks for, without copying more than the seams. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #head: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async #pull(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const next = await this.#chunks.next();
      if (next.done === true) this.#ended = true;
      else if (next.value.length > 0)
        return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    }
    return undefined;
  }

  /** The next `count` bytes, left in place; fewer only at the end. */
  async peek(count: number): Promise<Buffer> {
    while (this.#head.length < count) {
      // Copied first: its memory may be that of the next chunk.
      if (this.#head.length > 0) this.#head = Buffer.from(this.#head);
      const more = await this.#pull();
      if (more === undefined) break;
      this.#head = this.#head.length === 0 ? more : Buffer.concat([this.#head, more]);
    }
    return this.#head.subarray(0, count);
  }

  /** The next bytes, at most `max`; undefined at the end. */
  async take(max: number): Promise<Buffer | undefined> {
    if (this.#head.length === 0) this.#head = (await this.#pull()) ?? this.#head;
    if (this.#head.length === 0) return undefined;
    const piece = this.#head.subarray(0, max);
    this.#head = this.#head.subarray(piece.length);
    return piece;
  }

  /** Puts bytes in front of what is left. */
  unread(bytes: Buffer): void {
    this.#head = this.#head.length === 0 ? bytes : Buffer.concat([bytes, this.#head]);
  }

  /** Everything that is left, as a stream. */
  async *rest(): AsyncGenerator<Buffer> {
    try {
      for (
        let piece = await this.take(PIECE_BYTES);
        piece !== undefined;
        piece = await this.take(PIECE_BYTES)
      )
        yield piece;
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#chunks.return?.();
    this.#ended = true;
  }
}
