import { monotonicMs } from "@tsbuild/base";
import type { VertexState } from "./vertex-state.ts";

/** Longer than what most work takes that two do at the same time. */
const PATIENCE_MS = 2_000;

/** Calls back once for every vertex that has waited for long. One timer for all: most of thousands of vertices wait for a moment. */
export class Patience {
  readonly #waiting = new Map<VertexState, number>();
  readonly #onLost: (state: VertexState) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onLost: (state: VertexState) => void) {
    this.#onLost = onLost;
  }

  begin(state: VertexState): void {
    this.#waiting.set(state, monotonicMs());
    this.#timer ??= this.#lookIn(PATIENCE_MS);
  }

  /** The timer stays for the next one. */
  end(state: VertexState): void {
    this.#waiting.delete(state);
  }

  /** Keeps no process alive. */
  #lookIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), ms).unref();
  }

  /** In the order in which they began: the first that is left has the longest wait behind it. */
  #look(): void {
    this.#timer = undefined;
    const now = monotonicMs();
    for (const [state, since] of this.#waiting) {
      const left = since + PATIENCE_MS - now;
      if (left > 0) {
        this.#timer = this.#lookIn(left);
        return;
      }
      this.#waiting.delete(state);
      this.#onLost(state);
    }
  }
}
