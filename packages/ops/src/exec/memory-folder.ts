import type { NativeFs } from "@tsbuild/native-fs";

/** A folder in memory for what a step is given and no disk may hold; made when it is first needed, gone with `close`. */
export class MemoryFolder {
  readonly #fs: NativeFs;
  #fd: number | undefined;
  #entries = 0;

  constructor(fs: NativeFs) {
    this.#fs = fs;
  }

  /** The folder: a mount that is in nobody's mount table. */
  get fd(): number {
    this.#fd ??= this.#fs.mountMemory();
    return this.#fd;
  }

  /** A name that nothing in the folder has yet. */
  freshName(): string {
    return String(this.#entries++);
  }

  close(): void {
    if (this.#fd !== undefined) this.#fs.close(this.#fd);
    this.#fd = undefined;
  }
}
