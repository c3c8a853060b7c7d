import type { Selected } from "../content/content-key.ts";

/**
 * Which of the chosen files are one file with several names. Link counts do not say it: other names may be elsewhere (a package manager
 * links whole trees from its store).
 */
export class SharedNames {
  /** The first of the chosen names, by index of each further one. */
  readonly #first = new Map<number, number>();
  /** First names that have further ones. */
  readonly #heads = new Set<number>();

  constructor({ reader, chosen }: Pick<Selected, "reader" | "chosen">) {
    const seen = new Map<string, number>();
    for (const index of chosen) {
      if (reader.nlink(index) < 2 || !reader.isFile(index)) continue;
      const id = `${reader.dev(index)}:${reader.ino(index)}`;
      const first = seen.get(id);
      if (first === undefined) seen.set(id, index);
      else {
        this.#first.set(index, first);
        this.#heads.add(first);
      }
    }
  }

  /** There is such a file. */
  get any(): boolean {
    return this.#heads.size > 0;
  }

  /** Index of the first name; undefined for a first or only one. */
  firstOf(index: number): number | undefined {
    return this.#first.get(index);
  }

  /** A name behind the first. */
  isFurther(index: number): boolean {
    return this.#first.has(index);
  }

  /** One of several names. */
  isShared(index: number): boolean {
    return this.#first.has(index) || this.#heads.has(index);
  }
}
