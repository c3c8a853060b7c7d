/** Items a chunk: a change of one item of ten thousand copies a few hundred places. */
const CHUNK = 64;

/**
 * A list that is never changed: `with` gives another one, which shares all but the chunk of the changed item. A build of ten thousand steps has
 * tens of thousands of events, and a copy of all steps at each would take longer than the build.
 */
export class StepList<T> implements Iterable<T> {
  readonly length: number;
  readonly #chunks: readonly (readonly T[])[];

  private constructor(chunks: readonly (readonly T[])[], length: number) {
    this.#chunks = chunks;
    this.length = length;
  }

  static of<T>(items: readonly T[]): StepList<T> {
    const chunks: T[][] = [];
    for (let at = 0; at < items.length; at += CHUNK) chunks.push(items.slice(at, at + CHUNK));
    return new StepList(chunks, items.length);
  }

  at(index: number): T | undefined {
    return this.#chunks[Math.floor(index / CHUNK)]?.[index % CHUNK];
  }

  /** `index` is that of an item. */
  with(index: number, item: T): StepList<T> {
    const chunk = Math.floor(index / CHUNK);
    const changed = this.#chunks[chunk]!.with(index % CHUNK, item);
    return new StepList(this.#chunks.with(chunk, changed), this.length);
  }

  filter(keep: (item: T) => boolean): readonly T[] {
    return this.#chunks.flatMap((chunk) => chunk.filter(keep));
  }

  find(wanted: (item: T) => boolean): T | undefined {
    for (const item of this) if (wanted(item)) return item;
    return undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const chunk of this.#chunks) yield* chunk;
  }
}
