/** Chunks from a producer that pushes to a consumer that pulls. `put` resolves when its chunk has been taken. */
export class ChunkQueue {
  readonly #onAbandon: () => void;
  readonly #items: { readonly chunk: Uint8Array; readonly taken: () => void }[] = [];
  #ended: { readonly error: Error | undefined } | undefined;
  #wake: () => void = () => undefined;

  /** `onAbandon`: the consumer stopped before the end. */
  constructor(onAbandon: () => void) {
    this.#onAbandon = onAbandon;
  }

  put(chunk: Uint8Array): Promise<void> {
    return new Promise((taken) => {
      this.#items.push({ chunk, taken });
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
          item.taken();
          yield item.chunk;
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
      for (const item of this.#items.splice(0)) item.taken();
    }
  }
}
