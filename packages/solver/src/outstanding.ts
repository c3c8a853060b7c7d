/**
 * Work that has begun and not ended. It is counted, not kept: a graph of ten thousand vertices begins a hundred thousand pieces, whose promises would
 * all be in memory to the end.
 */
export class Outstanding {
  #count = 0;
  #empty: (() => void) | undefined;

  /** `ended` is called first of all that waits for the work, and hears how it failed. */
  add(work: Promise<unknown>, failed?: (error: unknown) => void): void {
    this.#count++;
    work.then(
      this.#ended,
      failed === undefined
        ? this.#ended
        : (error: unknown) => {
            failed(error);
            this.#ended();
          },
    );
  }

  /** Resolves when all has ended, also what was added meanwhile. However it ended: that is the business of whoever awaits it. */
  async drained(): Promise<void> {
    while (this.#count > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#empty = resolve;
      await promise;
    }
  }

  readonly #ended = (): void => {
    this.#count--;
    if (this.#count === 0) this.#empty?.();
  };
}
