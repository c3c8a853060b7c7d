/** Stacks of more layers than overlayfs takes. */
import type { NativeFs } from "@tsbuild/native-fs";

export interface DeepStackOptions {
  readonly fs: NativeFs;
  readonly temporaryFolder: () => string;
}

/**
 * Merges the lowest layers of a deep stack into one folder. That is a copy (by reflink where there is such a thing) that lives as long
 * as the store is open; the layers themselves stay as they are, and images have all of them.
 */
export class DeepStacks {
  readonly #options: DeepStackOptions;
  /** By the topmost layer folder in it and their number. */
  readonly #merged = new Map<string, Promise<string>>();

  constructor(options: DeepStackOptions) {
    this.#options = options;
  }

  /**
   * Layer folders, top first, that look the same and are `max` at most. Half as many layers are merged at a time: a stack that
   * grows by one layer a step is merged once in so many steps.
   */
  async shorten(lowers: readonly string[], max: number): Promise<readonly string[]> {
    if (lowers.length <= max) return lowers;
    const unit = max >> 1;
    // Counted from the bottom, so that what is merged stays the same while the stack grows.
    const bottom = Math.floor((lowers.length - 1) / unit) * unit;
    const top = lowers.length - bottom;
    return [...lowers.slice(0, top), await this.#mergedOnce(lowers.slice(top))];
  }

  #mergedOnce(lowers: readonly string[]): Promise<string> {
    const key = lowers.join("\n");
    let merged = this.#merged.get(key);
    if (merged === undefined) {
      merged = this.#merge(lowers);
      this.#merged.set(key, merged);
      merged.catch(() => this.#merged.delete(key));
    }
    return merged;
  }

  async #merge(lowers: readonly string[]): Promise<string> {
    const { replayLayer } = await import("@tsbuild/oci");
    const { fs, temporaryFolder } = this.#options;
    const folder = temporaryFolder();
    const dest = fs.openFolder(folder);
    try {
      for (const lower of lowers.toReversed()) {
        const source = fs.openFolder(lower);
        await replayLayer({ fs, source, dest }).finally(() => fs.close(source));
      }
    } finally {
      fs.close(dest);
    }
    return folder;
  }
}
