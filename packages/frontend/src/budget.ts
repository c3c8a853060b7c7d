import { limits } from "@tsbuild/base";
import { mistake } from "./failure.ts";

/**
 * What a compilation may come to. Every step carries its whole environment and every stage a copy of its base's config,
 * so a small file can describe a result of quadratic size, and with `ENV a=$a$a` of any size: past the limit it ends
 * here and not in a machine without memory.
 */
export class Budget {
  #leftBytes: number = limits.compiledBytes;

  get isSpent(): boolean {
    return this.#leftBytes < 0;
  }

  /** Counts `bytes`, about. Throws TSB_DOCKERFILE (without a place) when that is too much. */
  spend(bytes: number): void {
    this.#leftBytes -= bytes;
    if (this.#leftBytes >= 0) return;
    const size = `${limits.compiledBytes / 1024 / 1024} MiB`;
    throw mistake(
      `the Dockerfile comes to more than ${size} when its variables are filled in`,
      "each step carries all variables, labels and history before it: set fewer of them, or split the file",
    );
  }
}
