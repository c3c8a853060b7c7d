/** What a machine can give, as steps that are about to run ask for it. */
export interface MemoryGauge {
  /** Bytes that the running steps may take together. Asked when none runs: later, what they have taken would be missing from it. */
  budgetBytes(): number;
  /** Whether processes of this machine wait for memory now, whatever steps were expected to take. */
  isShort(): boolean;
}

/** How soon a shortage is looked at again while nothing else happens. */
const AGAIN_MS = 500;

interface Waiting {
  readonly bytes: number;
  enter(): void;
}

/**
 * Lets steps in as memory allows (W018): each is expected to take what it took when it last ran, and together they stay below the budget.
 *
 * Turns are strict: a large step that does not fit yet holds back small ones behind it, or it would wait as long as there are any. The first
 * one is always let in, however much it wants: a step that is too large for the machine fails with its own words, and nothing ever waits
 * for nobody.
 */
export class MemoryGate {
  readonly #gauge: MemoryGauge;
  readonly #queue: Waiting[] = [];
  #inside = 0;
  #expected = 0;
  /** Undefined: not read yet for those who are inside. */
  #budget: number | undefined;
  #reading: NodeJS.Immediate | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(gauge: MemoryGauge) {
    this.#gauge = gauge;
  }

  /** Resolves when the step may run, with what it calls when it has ended. Rejects with the signal's reason. */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { bytes, enter: resolve };
    const giveUp = () => {
      const at = this.#queue.indexOf(waiting);
      if (at < 0) return;
      this.#queue.splice(at, 1);
      reject(signal.reason);
      this.#admit();
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#queue.push(waiting);
    this.#admit();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
    return () => this.#leave(bytes);
  }

  #leave(bytes: number): void {
    this.#inside--;
    this.#expected -= bytes;
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined && this.#hasRoom(next); next = this.#queue[0]) {
      this.#queue.shift();
      this.#inside++;
      this.#expected += next.bytes;
      next.enter();
    }
    clearTimeout(this.#again);
    this.#again = this.#queue.length === 0 ? undefined : setTimeout(() => this.#admit(), AGAIN_MS).unref();
  }

  #hasRoom({ bytes }: Waiting): boolean {
    if (this.#inside === 0) {
      this.#readSoon();
      return true;
    }
    return this.#expected + bytes <= this.#read() && !this.#gauge.isShort();
  }

  /**
   * What there is before the first one takes of it. Steps that run one after the other never ask, and the kernel takes a fifth of a millisecond to
   * tell: so not before the first one is on its way.
   */
  #readSoon(): void {
    this.#budget = undefined;
    this.#reading ??= setImmediate(() => this.#read()).unref();
  }

  #read(): number {
    clearImmediate(this.#reading);
    this.#reading = undefined;
    this.#budget ??= this.#gauge.budgetBytes();
    return this.#budget;
  }
}
