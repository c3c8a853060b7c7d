import { monotonicMs } from "@tsbuild/base";

/** A change is on disk this much later: what a crash loses. */
const DELAY_MS = 200;
/** Writing a record of thousands of steps may take a twentieth of the time. */
const SHARE = 20;

/**
 * Writes what changes often: a little after a change, one at a time, and not on this thread. While layers get to the disk, to make a file takes as
 * long as that.
 */
export class DelayedWrite {
  readonly #write: () => Promise<void> | undefined;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** What it took of this thread the last time. */
  #tookMs = 0;

  constructor(write: () => Promise<void> | undefined, onFailure: (error: unknown) => void) {
    this.#write = write;
    this.#onFailure = onFailure;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => this.#begin(), Math.max(DELAY_MS, SHARE * this.#tookMs)).unref();
  }

  #begin(): void {
    this.#timer = undefined;
    // A slow disk: what has changed meanwhile is written after that.
    if (this.#running !== undefined) {
      this.changed();
      return;
    }
    const begin = monotonicMs();
    this.#running = this.#write()
      ?.catch(this.#onFailure)
      .finally(() => {
        this.#running = undefined;
      });
    this.#tookMs = monotonicMs() - begin;
  }

  /** Nothing that has changed until now is written any more; resolves when what is being written is. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }
}
