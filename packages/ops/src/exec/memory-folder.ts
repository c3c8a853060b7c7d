import type { NativeFs } from "@tsbuild/native-fs";

/**
 * A folder in memory for what a step is given and no disk may hold; made when it is first needed, gone with `close`. Where nothing
 * can be mounted it is a folder of the state folder, and is emptied.
 */
export class MemoryFolder {
  readonly #fs: NativeFs;
  readonly #onDisk: (() => string) | undefined;
  #fd: number | undefined;
  #entries = 0;

  constructor(fs: NativeFs, onDisk?: () => string) {
    this.#fs = fs;
    this.#onDisk = onDisk;
  }

  /** The folder: a mount that is in nobody's mount table. */
  get fd(): number {
    this.#fd ??= this.#onDisk === undefined ? this.#fs.mountMemory() : this.#fs.openFolder(this.#onDisk());
    return this.#fd;
  }

  /** A name that nothing in the folder has yet. */
  freshName(): string {
    return String(this.#entries++);
  }

  close(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    if (this.#onDisk !== undefined)
      for (const name of this.#fs.listInRoot(fd, "")) this.#fs.removeInRoot(fd, name);
    this.#fs.close(fd);
    this.#fd = undefined;
  }
}
