import { addon, type InflateState } from "./addon.ts";

/** What a step has done. */
export interface InflateStep {
  /** Bytes of the input. */
  readonly consumed: number;
  /** Bytes in the output. */
  readonly produced: number;
  /** The gzip member is whole; what follows it in the input was not looked at. The next step begins the next member. */
  readonly ended: boolean;
}

/** zlib is the one inside Node; ISA-L is loaded where it is installed (libisal2), and takes two thirds of the time. */
export type InflateLibrary = "zlib" | "isa-l";

/** The fastest that this machine has. */
export function inflateLibrary(): InflateLibrary {
  return addon().inflateBestIsIsal() ? "isa-l" : "zlib";
}

/**
 * Gzip data in pieces: on the thread that asks, into memory of the caller's. node:zlib's streams change threads for
 * each piece (measured: 200 MB/s of output, this 390).
 */
export class Inflater {
  readonly #state: InflateState;
  readonly #counts = new BigInt64Array(2);

  /**
   * Not `checked`: the format's own length and checksum are passed over. For who compares a digest of what comes out. Throws ENOENT for a library that is
   * not installed.
   */
  constructor({ checked = true, library = inflateLibrary() } = {}) {
    this.#state = addon().inflateNew(library === "isa-l", checked);
  }

  /**
   * Until the input is used up, the output full or the member ended. A full output may have more behind it though the input is used up: the next step gives
   * that. Throws EILSEQ for data that is damaged or no gzip.
   */
  run(input: Uint8Array, output: Uint8Array): InflateStep {
    const ended = addon().inflateRun(this.#state, input, output, this.#counts);
    return { consumed: Number(this.#counts[0]), produced: Number(this.#counts[1]), ended };
  }
}
