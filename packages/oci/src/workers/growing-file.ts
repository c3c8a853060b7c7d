import { read } from "node:fs";
import { promisify } from "node:util";

const readAt = promisify(read);

/** Dead ones are collected late. With a mebibyte, and batches of 2 MiB, a pull was measured to take 70 MB more. */
export const READ_BYTES = 64 * 1024;
/** Growth that is worth a message to another thread. */
const TOLD_BYTES = 256 * 1024;

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
  readonly #listeners = new Set<(growth: Growth) => void>();

  constructor(fd: number) {
    this.fd = fd;
  }

  grow(sizeBytes: number): void {
    this.#growth = { sizeBytes, ended: this.#growth.ended };
    if (sizeBytes - this.#toldBytes >= TOLD_BYTES) this.#tell();
  }

  end(): void {
    this.#growth = { ...this.#growth, ended: true };
    this.#tell();
  }

  #tell(): void {
    this.#toldBytes = this.#growth.sizeBytes;
    for (const listener of [...this.#listeners]) listener(this.#growth);
  }

  /** Calls `listener` now and when the file has grown; what is returned ends that. */
  watch(listener: (growth: Growth) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#growth);
    return () => void this.#listeners.delete(listener);
  }

  /** From the beginning to the end, waiting for what is not there yet, each chunk with memory of its own. Throws the signal's reason when that is aborted. */
  async *chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (let at = 0; ; ) {
      const { sizeBytes, ended } = this.#growth;
      signal.throwIfAborted();
      if (at < sizeBytes) {
        const chunk = await this.#read(at, Math.min(READ_BYTES, sizeBytes - at));
        at += chunk.length;
        yield chunk;
      } else if (ended) return;
      else await this.#grown(signal);
    }
  }

  async #read(at: number, sizeBytes: number): Promise<Buffer> {
    const { bytesRead, buffer } = await readAt(this.fd, Buffer.allocUnsafeSlow(sizeBytes), 0, sizeBytes, at);
    if (bytesRead === 0) throw new Error(`assertion failed: a growing file ends at ${at}`);
    return buffer.subarray(0, bytesRead);
  }

  async #grown(signal: AbortSignal): Promise<void> {
    const before = this.#growth;
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
