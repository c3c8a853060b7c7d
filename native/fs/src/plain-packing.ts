import { addon, type PackingState } from "./addon.ts";
import { splitTime } from "./time.ts";

export interface PlainPackingOptions {
  /** Later times become this one. */
  readonly maxMtimeNs?: bigint | undefined;
  /** Files that are larger are left to the caller. */
  readonly maxFileBytes?: number | undefined;
}

/** What a step has done. */
export interface PlainPackingStep {
  /** Bytes that are at the beginning of the output now. */
  readonly written: number;
  /** Entries that the caller writes behind these bytes, as indexes of the walk: from `first` up to, and without, `end`. */
  readonly first: number;
  readonly end: number;
  /** No member follows these. */
  readonly ended: boolean;
  /** The file of entry `first` is not what the walk saw: this is over. */
  readonly changed: boolean;
}

/**
 * The tar of a layer folder, piece by piece, of the members that leave nothing to decide: the caller writes the others, in turn. Without the
 * end of the archive. Reads on the thread that asks. See core/packing.h.
 */
export class PlainPacking {
  readonly #state: PackingState;
  readonly #walked: Buffer;
  readonly #counts = new BigInt64Array(5);

  /** `root` and `walked`, a walk of it, stay the caller's, and what they are until `close`. */
  constructor(root: number, walked: Buffer, options: PlainPackingOptions = {}) {
    const { maxMtimeNs, maxFileBytes = Number.MAX_SAFE_INTEGER } = options;
    const latest = maxMtimeNs === undefined ? undefined : splitTime(maxMtimeNs);
    const seconds = latest === undefined ? undefined : Number(latest.seconds);
    this.#walked = walked;
    this.#state = addon().packingOpen(root, walked, maxFileBytes, seconds, latest?.nanos);
  }

  /** Fills `output`, of 16 KiB and more, as far as it goes. Throws an errno error with the member's path. */
  run(output: Uint8Array): PlainPackingStep {
    addon().packingRun(this.#state, this.#walked, output, this.#counts);
    return {
      written: Number(this.#counts[0]),
      first: Number(this.#counts[1]),
      end: Number(this.#counts[2]),
      ended: this.#counts[3] === 1n,
      changed: this.#counts[4] === 1n,
    };
  }

  close(): void {
    addon().packingClose(this.#state);
  }
}
