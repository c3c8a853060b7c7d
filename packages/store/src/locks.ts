import { rmSync } from "node:fs";
import { join } from "node:path";
import { digestHex, sha256 } from "@tsbuild/base";
import type { WorkLocks } from "@tsbuild/solver";
import { guarded } from "./failure.ts";
import type { StoreState } from "./state.ts";
import { canceled, poll } from "./waiting.ts";

/** The waiters of this process for one name, in the order in which they came. The head holds or polls the file. */
type Queue = (() => void)[];

/**
 * One lock file per name, flock()ed. Within a process waiters queue up and only the first asks the kernel: turns are fair and a
 * hundred waiting vertices do not poll.
 */
export class FileWorkLocks implements WorkLocks {
  readonly #state: StoreState;
  readonly #queues = new Map<string, Queue>();

  constructor(state: StoreState) {
    this.#state = state;
  }

  async acquire(name: string, signal: AbortSignal): Promise<{ release(): void }> {
    const leave = await this.#enter(name, signal);
    const file = this.#file(name);
    try {
      const lock = await poll(() => this.#tryLock(file), signal);
      return { release: once(() => this.#release({ file, lock, leave })) };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Takes a place in the queue of `name` and resolves at its head. The returned function gives the place up. */
  async #enter(name: string, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw canceled(signal);
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    const turn = Promise.withResolvers<void>();
    const place = (): void => turn.resolve();
    const leave = once(() => this.#leave(name, place));
    const abort = (): void => turn.reject(canceled(signal));
    queue.push(place);
    if (queue.length === 1) place();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await turn.promise;
      return leave;
    } catch (error) {
      leave();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #leave(name: string, place: () => void): void {
    const queue = this.#queues.get(name);
    if (queue === undefined) return;
    const index = queue.indexOf(place);
    queue.splice(index, 1);
    if (queue.length === 0) this.#queues.delete(name);
    else if (index === 0) queue[0]?.();
  }

  /** Removes the file while it is still locked: whoever opened it before finds out by its inode and makes a new one. */
  #release(held: { readonly file: string; readonly lock: number; readonly leave: () => void }): void {
    rmSync(held.file, { force: true });
    this.#state.native.close(held.lock);
    held.leave();
  }

  #tryLock(file: string): number | undefined {
    return guarded("lock a step", this.#state.layout.root, () =>
      this.#state.native.tryLock(file, "exclusive"),
    );
  }

  /** Names may hold anything. */
  #file(name: string): string {
    return join(this.#state.layout.locks, digestHex(sha256(name)));
  }
}

function once(body: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    body();
  };
}
