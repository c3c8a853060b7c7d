import { addon } from "./addon.ts";

/** Long enough that a call costs nothing, short enough that the memory of one is used again for the next. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/**
 * Takes a file that is written and read right behind that, once, out of memory as it goes: whole windows that were passed, twice each. The first call
 * has the disk begin with what is still to be written of one, the second one finds it there. Memory that was used a moment ago costs a fraction
 * of such that was not for long, which a virtual machine's host may have to find first (measured there: writing 300 MB beside 300 MB of
 * files, and reading them, took 0.6 s of system time instead of 1.3, elsewhere the same), and what others have read stays in it.
 */
export class PassedBy {
  readonly #fd: number;
  #passed = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** `sizeBytes` from its beginning have been read. */
  upTo(sizeBytes: number): void {
    const passed = sizeBytes - (sizeBytes % WINDOW_BYTES);
    if (passed === this.#passed) return;
    const from = Math.max(this.#passed - WINDOW_BYTES, 0);
    addon().forgetRange(this.#fd, from, passed - from);
    this.#passed = passed;
  }
}
