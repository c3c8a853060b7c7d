import { assert } from "@tsbuild/base";
import type { WorkLocks } from "./ports.ts";

/** `WorkLocks` within one process. Waiters get a lock in the order in which they asked. */
export class MemoryWorkLocks implements WorkLocks {
  /** Per held name: who waits for it. */
  readonly #held = new Map<string, (() => void)[]>();

  /** How many locks are held now. */
  get held(): number {
    return this.#held.size;
  }

  async acquire(name: string, signal: AbortSignal): Promise<{ release(): void }> {
    signal.throwIfAborted();
    const waiters = this.#held.get(name);
    if (waiters === undefined) this.#held.set(name, []);
    else await waitTurn(waiters, signal);
    return this.#handle(name);
  }

  #handle(name: string): { release(): void } {
    let released = false;
    return {
      release: () => {
        assert(!released, `lock ${name} is released twice`);
        released = true;
        this.#passOn(name);
      },
    };
  }

  /** The lock goes from hand to hand: it is never free while somebody waits, so nobody can overtake. */
  #passOn(name: string): void {
    const next = this.#held.get(name)?.shift();
    if (next === undefined) this.#held.delete(name);
    else next();
  }
}

function waitTurn(waiters: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const turn = () => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    };
    const giveUp = () => {
      waiters.splice(waiters.indexOf(turn), 1);
      reject(signal.reason);
    };
    waiters.push(turn);
    signal.addEventListener("abort", giveUp, { once: true });
  });
}
