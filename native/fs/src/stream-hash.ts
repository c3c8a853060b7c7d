import { addon } from "./addon.ts";

/**
 * The SHA-256 of a stream, of which files are hashed where they lie: on one thread of libuv's pool, which reads as it goes. With Node's
 * own reads and hash, each piece changes threads twice. One call at a time.
 */
export class StreamHash {
  readonly #state = addon().hashNew();

  update(bytes: Uint8Array): void {
    addon().hashUpdate(this.#state, bytes);
  }

  /** Throws EIO when the file ends before the range does. */
  async updateRange({ fd, offset, length }: HashedRange): Promise<void> {
    await addon().hashFileRange(this.#state, fd, offset, length);
  }

  /** Once, and nothing after it. 64 hexadecimal digits. */
  digest(): string {
    return addon().hashEnd(this.#state);
  }
}

export interface HashedRange {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}
