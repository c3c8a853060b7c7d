import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { guardedAsync } from "./failure.ts";

/** To have a thread write what a socket gives at a time takes as long as hashing four times as much. */
const PIECE_BYTES = 256 * 1024;
/** Where bytes come slowly, those that are here wait so long for more: somebody may read the file while it grows. */
const PATIENCE_MS = 20;
const WRITE_BEHIND_BYTES = 64 * 1024 * 1024;

/**
 * Lets the disk work while the rest of a large blob still comes, so that the fsync at its end has little left to wait for. The kernel tells
 * of a failed write once: what these early ones are told must not be lost.
 */
class WriteBehind {
  readonly #handle: FileHandle;
  #started = 0;
  #running: Promise<void> | undefined;
  #failure: unknown;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  wrote(sizeBytes: number): void {
    if (sizeBytes - this.#started < WRITE_BEHIND_BYTES || this.#running !== undefined) return;
    this.#started = sizeBytes;
    this.#running = this.#handle.datasync().then(
      () => {
        this.#running = undefined;
      },
      (error: unknown) => {
        // Still running, as it were: there is no use in another try.
        this.#failure = error;
      },
    );
  }

  async settled(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  // A write on a nearly full disk is cut short first and fails with ENOSPC next time.
  while (offset < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset);
    offset += bytesWritten;
  }
}

/** Writes a file of chunks in pieces, and hashes each while another thread writes it and the next is gathered. */
export class BlobWriter {
  readonly #handle: FileHandle;
  readonly #root: string;
  readonly #onSize: (sizeBytes: number) => void;
  readonly #hash: Hash = createHash("sha256");
  readonly #toDisk: WriteBehind;
  readonly #buffers = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  #turn: 0 | 1 = 0;
  #filled = 0;
  #sizeBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `onSize` is told how much of the file can be read. */
  constructor(
    handle: FileHandle,
    { root, onSize }: { readonly root: string; readonly onSize: (sizeBytes: number) => void },
  ) {
    this.#handle = handle;
    this.#root = root;
    this.#onSize = onSize;
    this.#toDisk = new WriteBehind(handle);
  }

  /** It is done with the chunk when it resolves. A failed write shows here or in `end`. */
  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + PIECE_BYTES - this.#filled);
      this.#buffers[this.#turn].set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      while (this.#filled === PIECE_BYTES) await this.#next();
    }
    if (this.#filled > 0) this.#timer ??= setTimeout(() => this.#tooSlow(), PATIENCE_MS);
  }

  /** Waits for the piece before, then lets what is gathered go. */
  async #next(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#writing === undefined && this.#filled > 0) this.#start();
  }

  #tooSlow(): void {
    this.#timer = undefined;
    // The next chunk sees to it otherwise, or the end.
    if (this.#writing === undefined && this.#filled > 0 && this.#failure === undefined) this.#start();
    else if (this.#filled > 0) this.#timer = setTimeout(() => this.#tooSlow(), PATIENCE_MS);
  }

  #start(): void {
    const piece = this.#buffers[this.#turn].subarray(0, this.#filled);
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#filled = 0;
    this.#writing = this.#write(piece).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#hash.update(piece);
  }

  async #write(piece: Uint8Array): Promise<void> {
    try {
      await guardedAsync("write a blob", this.#root, () => writeAll(this.#handle, piece));
      this.#sizeBytes += piece.length;
      this.#toDisk.wrote(this.#sizeBytes);
      this.#onSize(this.#sizeBytes);
    } finally {
      this.#writing = undefined;
    }
  }

  /** Waits until nothing is being written any more, failed or not: the file may be closed. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#toDisk.settled().catch(() => undefined);
  }

  /** The digest of all, in hexadecimal digits, when all is in the file. */
  async end(): Promise<string> {
    while (this.#filled > 0) await this.#next();
    await this.#next();
    await guardedAsync("write a blob", this.#root, () => this.#toDisk.settled());
    return this.#hash.digest("hex");
  }
}
