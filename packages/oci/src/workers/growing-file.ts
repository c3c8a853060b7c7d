import { fstatSync, readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { PassedBy } from "@tsbuild/native-fs";

/** Large enough that a call costs nothing, small enough to stay in a core's cache. */
const READ_BYTES = 128 * 1024;
/** So often messages get their turn: what is read here needs no waiting for. */
const TURN_BYTES = 1024 * 1024;
/** Growth that is worth a message to another thread at once; less is told a little later, so that a slow line holds nobody back. */
const TOLD_BYTES = 1024 * 1024;
const TOLD_MS = 10;

/** How far a file has come. */
export interface Growth {
  readonly sizeBytes: number;
  /** It grows no more. */
  readonly ended: boolean;
}

/**
 * A file that somebody in this process is still writing, as its readers see it: bytes behind what `grow` last told are not looked at. By
 * descriptor, since its name may change when it is complete; the caller opens and closes it, after the last reader. A writer that fails
 * does not tell it here: whoever reads is aborted then.
 */
export class GrowingFile {
  readonly fd: number;
  #growth: Growth = { sizeBytes: 0, ended: false };
  #toldBytes = 0;
  #toTell: NodeJS.Timeout | undefined;
  readonly #listeners = new Set<(growth: Growth) => void>();

  constructor(fd: number) {
    this.fd = fd;
  }

  /** One that is whole. */
  static whole(fd: number): GrowingFile {
    const file = new GrowingFile(fd);
    file.grow(fstatSync(fd).size);
    file.end();
    return file;
  }

  grow(sizeBytes: number): void {
    this.#growth = { sizeBytes, ended: this.#growth.ended };
    if (sizeBytes - this.#toldBytes >= TOLD_BYTES) this.#tell();
    else this.#toTell ??= setTimeout(() => this.#tell(), TOLD_MS);
  }

  end(): void {
    this.#growth = { ...this.#growth, ended: true };
    this.#tell();
  }

  #tell(): void {
    clearTimeout(this.#toTell);
    this.#toTell = undefined;
    this.#toldBytes = this.#growth.sizeBytes;
    for (const listener of [...this.#listeners]) listener(this.#growth);
  }

  /** Calls `listener` now and when the file has grown; what is returned ends that. */
  watch(listener: (growth: Growth) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#growth);
    return () => void this.#listeners.delete(listener);
  }

  /** How far it has come. */
  get growth(): Growth {
    return this.#growth;
  }

  /** The first `count` bytes, when they are there; fewer of a file that is shorter. */
  async head(count: number, signal: AbortSignal): Promise<Buffer> {
    while (this.#growth.sizeBytes < count && !this.#growth.ended) await this.grown(this.#growth, signal);
    signal.throwIfAborted();
    const head = Buffer.alloc(Math.min(count, this.#growth.sizeBytes));
    return head.subarray(0, readSync(this.fd, head, 0, head.length, 0));
  }

  /**
   * From the beginning to the end, waiting for what is not there yet; a chunk is gone when the next is asked for. Throws the signal's reason
   * when that is aborted. Reads on the thread that asks: what somebody has just written is in memory, and to ask another thread for it was
   * measured to cost five times the copy. Nobody else reads it soon: what was read leaves memory.
   */
  async *chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const passed = new PassedBy(this.fd);
    for (let at = 0; ; ) {
      const { sizeBytes, ended } = this.#growth;
      signal.throwIfAborted();
      if (at < sizeBytes) {
        const count = readSync(this.fd, buffer, 0, Math.min(READ_BYTES, sizeBytes - at), at);
        if (count === 0) throw new Error(`assertion failed: a growing file ends at ${at}`);
        if (Math.floor(at / TURN_BYTES) < Math.floor((at + count) / TURN_BYTES)) await turn();
        at += count;
        passed.upTo(at);
        yield buffer.subarray(0, count);
      } else if (ended) return;
      else await this.grown(this.#growth, signal);
    }
  }

  /** Waits until it has come further than `before`. Throws the signal's reason when that was aborted; returns when it is. */
  async grown(before: Growth, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#growth !== before) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        unwatch();
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done);
      const unwatch = this.watch((growth) => {
        if (growth !== before) done();
      });
    });
  }
}
