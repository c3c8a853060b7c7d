import { basename, dirname } from "node:path";
import { encodeTreeOps } from "@tsbuild/native-fs";
import type { NativeCalls } from "./native.ts";

/**
 * Removes small folders of the lease on a thread while the build goes on: overlayfs leaves five inodes in the work folder of each step, which cost
 * this one two milliseconds. What cannot be removed goes with the lease's folder.
 */
export class Scraps {
  readonly #native: Pick<NativeCalls, "openFolder" | "apply" | "close">;
  readonly #waiting: string[] = [];
  #removing: Promise<void> | undefined;

  constructor(native: Pick<NativeCalls, "openFolder" | "apply" | "close">) {
    this.#native = native;
  }

  /** Nothing may use it any more. */
  remove(path: string): void {
    this.#waiting.push(path);
    this.#removing ??= this.#removeAll();
  }

  /** Waits for what was begun: whoever removes the lease's folder must not be met on the way. */
  async finish(): Promise<void> {
    await this.#removing;
  }

  async #removeAll(): Promise<void> {
    for (let path = this.#waiting.shift(); path !== undefined; path = this.#waiting.shift()) {
      await this.#removeOne(path).catch(() => undefined);
    }
    this.#removing = undefined;
  }

  async #removeOne(path: string): Promise<void> {
    const parent = this.#native.openFolder(dirname(path));
    const ops = encodeTreeOps([{ type: "remove", path: basename(path), existing: "error" }]);
    await this.#native.apply(parent, -1, ops, { hash: false }).finally(() => this.#native.close(parent));
  }
}
