const PIECE_BYTES = 256 * 1024;
/** What a reader holds (a piece, what undici's Readable keeps before it says no, a piece beyond) and the piece that is filled. */
const RING_BYTES = 4 * PIECE_BYTES;

export interface DirectBodyOptions {
  readonly sizeBytes: number;
  /** May call `pause`: then no other comes before `resume`. */
  readonly onPiece: (piece: Buffer) => void;
  /** Has the socket go on after `take` returned false. */
  readonly resume: () => void;
  /** The body has been given to its end. */
  readonly onEnd: () => void;
}

/**
 * A body's bytes on their way from the socket to undici's handler, in large pieces of memory that is used again: a piece is gone when 512 KiB
 * more have been given.
 */
export class DirectBody {
  readonly #options: DirectBodyOptions;
  readonly #ring = Buffer.allocUnsafeSlow(RING_BYTES);
  /** Where in the ring what was not given begins and ends. */
  #from = 0;
  #to = 0;
  /** What came beyond that though nobody wanted more: what of TLS was decrypted by then. */
  readonly #late: Buffer[] = [];
  #left: number;
  #isPaused = false;
  #flush: NodeJS.Immediate | undefined;

  constructor(options: DirectBodyOptions) {
    this.#options = options;
    this.#left = options.sizeBytes;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Takes what the socket has, as far as it belongs to the body. False: nothing more, for now. */
  take(chunk: Uint8Array): boolean {
    if (this.#left <= 0) return false;
    const bytes = chunk.subarray(0, this.#left);
    const taken = this.#late.length > 0 ? 0 : this.#gather(bytes);
    if (taken < bytes.length) this.#late.push(Buffer.from(bytes.subarray(taken)));
    this.#left -= bytes.length;
    if (this.#left === 0) this.#finish();
    // What comes in one turn of the event loop is one piece.
    else this.#flush ??= setImmediate(() => this.#give());
    return !this.#isPaused;
  }

  /** Returns how many of the bytes it took: in a pause no more than fit into a piece. */
  #gather(bytes: Uint8Array): number {
    for (let at = 0; ; ) {
      const end = this.#from - (this.#from % PIECE_BYTES) + PIECE_BYTES;
      const part = bytes.subarray(at, at + end - this.#to);
      this.#ring.set(part, this.#to);
      this.#to += part.length;
      at += part.length;
      if (this.#to < end || this.#isPaused) return at;
      this.#give();
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#goOn();
  }

  #goOn(): void {
    for (let late = this.#late.shift(); late !== undefined; late = this.#late.shift()) {
      const rest = late.subarray(this.#gather(late));
      if (rest.length > 0) this.#late.unshift(rest);
      if (this.#isPaused) return;
    }
    if (this.#to % PIECE_BYTES === 0) this.#give();
    if (this.#left === 0) this.#finish();
    if (this.#left <= 0 || this.#isPaused) return;
    this.#flush ??= setImmediate(() => this.#give());
    this.#options.resume();
  }

  /** All has come. */
  #finish(): void {
    this.#give();
    if (this.#to > this.#from || this.#late.length > 0) return;
    this.#left = -1;
    this.#options.onEnd();
  }

  /** No more is given. */
  stop(): void {
    clearImmediate(this.#flush);
    this.#left = -1;
  }

  #give(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    if (this.#isPaused || this.#left < 0) return;
    const piece = this.#ring.subarray(this.#from, this.#to);
    if (this.#to === RING_BYTES) this.#to = 0;
    this.#from = this.#to;
    if (piece.length > 0) this.#options.onPiece(piece);
  }
}
