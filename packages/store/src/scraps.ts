import { basename, dirname } from "node:path";
import { encodeTreeOps, type TreeOp } from "@tsbuild/native-fs";
import type { NativeCalls } from "./native.ts";

/** Those of so long go together: each call costs this thread more than a folder costs the other. */
const DELAY_MS = 20;

/**
 * Removes small folders of the lease on a thread while the build goes on: overlayfs leaves five inodes in the work folder of each step, which cost
 * this one two milliseconds. What cannot be removed goes with the lease's folder.
 */
export class Scraps {
  readonly #native: Pick<NativeCalls, "openFolder" | "apply" | "close">;
  #waiting: string[] = [];
  #removing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(native: Pick<NativeCalls, "openFolder" | "apply" | "close">) {
    this.#native = native;
  }

  /** All of one folder. Nothing may use it any more. */
  remove(path: string): void {
    this.#waiting.push(path);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#removing ??= this.#removeAll();
    }, DELAY_MS).unref();
  }

  /** What is not removed yet goes with the lease's folder. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  /** Removes the rest, and waits for what was begun: whoever removes the lease's folder must not be met on the way. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#removing;
    await this.#removeAll();
  }

  async #removeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#removeBatch(batch);
    }
    this.#removing = undefined;
  }

  /** One that fails ends a batch: the others are removed one by one then. */
  async #removeBatch(paths: readonly string[]): Promise<void> {
    try {
      await this.#apply(paths);
    } catch {
      for (const path of paths) await this.#apply([path]).catch(() => undefined);
    }
  }

  async #apply([first, ...more]: readonly string[]): Promise<void> {
    if (first === undefined) return;
    const ops = [first, ...more].map(
      (path): TreeOp => ({ type: "remove", path: basename(path), existing: "error" }),
    );
    const parent = this.#native.openFolder(dirname(first));
    const removing = this.#native.apply(parent, -1, encodeTreeOps(ops), { hash: false });
    await removing.finally(() => this.#native.close(parent));
  }
}
