/** Chunks from a producer that pushes to a consumer that pulls. `put` resolves when the consumer is done with its chunk. */
export class ChunkQueue {
  readonly #onAbandon: () => void;
  readonly #items: { readonly chunk: Uint8Array; readonly done: () => void }[] = [];
  #ended: { readonly error: Error | undefined } | undefined;
  #wake: () => void = () => undefined;

  /** `onAbandon`: the consumer stopped before the end. */
  constructor(onAbandon: () => void) {
    this.#onAbandon = onAbandon;
  }

  put(chunk: Uint8Array): Promise<void> {
    return new Promise((done) => {
      this.#items.push({ chunk, done });
      this.#wake();
    });
  }

  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake();
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) {
          // Done with when the next one is asked for, or none any more.
          try {
            yield item.chunk;
          } finally {
            item.done();
          }
        } else if (this.#ended !== undefined) {
          if (this.#ended.error !== undefined) throw this.#ended.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (this.#ended === undefined) this.#onAbandon();
      for (const item of this.#items.splice(0)) item.done();
    }
  }
}
