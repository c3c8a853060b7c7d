import { addon, type GunzipState } from "./addon.ts";
import type { PlainMembers } from "./plain-members.ts";

/** Small enough to stay in a core's cache while it is hashed and written. */
const OUTPUT_BYTES = 256 * 1024;
const STATES = ["waiting", "paused", "bytes", "ended"] as const;

/** What a step has done. */
export interface GunzipFileStep {
  /** `waiting`: for more of the file; `paused`: there is more, but others may have something to say; `bytes`: some are for the caller; `ended` */
  readonly state: (typeof STATES)[number];
  /** Empty but for `bytes`; gone with the next step. */
  readonly bytes: Buffer;
  /** How many members it has made. */
  readonly made: number;
}

/**
 * A gzip file that may still be written, inflated, hashed and, as far as its members are plain, unpacked where the bytes are: on the thread
 * that asks, without JavaScript for each piece. See core/gunzip_file.h.
 */
export class GunzipFile {
  readonly #state: GunzipState;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  readonly #counts = new BigInt64Array(5);

  /** `fd` stays the caller's, and open until `close`. More than `maxBytes` fail with EFBIG. */
  constructor(
    fd: number,
    { maxBytes = Number.MAX_SAFE_INTEGER }: { readonly maxBytes?: number | undefined } = {},
  ) {
    this.#state = addon().gunzipOpen(fd, maxBytes);
  }

  /** Bytes of the file that were read. */
  get readBytes(): number {
    return Number(this.#counts[3]);
  }

  /** Bytes that have come out. */
  get sizeBytes(): number {
    return Number(this.#counts[4]);
  }

  /**
   * Goes on; of the file `sizeBytes` are there, all when it `ended`. `members` gets the bytes first, where they begin a member or go on with one
   * of its. Throws EILSEQ for damaged data, and what `members` throws; after that it is good for nothing.
   */
  step(
    file: { readonly sizeBytes: number; readonly ended: boolean },
    members: PlainMembers | undefined,
  ): GunzipFileStep {
    const { sizeBytes, ended } = file;
    const given = [this.#state, this.#output, sizeBytes, ended, this.#counts] as const;
    const state =
      members === undefined
        ? addon().gunzipStep(...given)
        : members.within((made, counts) => addon().gunzipStep(...given, made, counts));
    const [from, to, made] = this.#counts;
    return {
      state: STATES[state] ?? "ended",
      bytes: this.#output.subarray(Number(from), Number(to)),
      made: Number(made),
    };
  }

  /** The SHA-256 of all that came out, as 64 hexadecimal digits. Once, at the end. */
  digest(): string {
    return addon().gunzipDigest(this.#state);
  }

  close(): void {
    addon().gunzipClose(this.#state);
  }
}
