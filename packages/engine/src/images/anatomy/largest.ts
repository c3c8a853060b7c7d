/** Keeps the largest of many without keeping the others. Of equal ones the first by `name` are kept, in whatever order they come. */
export class Largest<T> {
  readonly #max: number;
  readonly #order: (a: T, b: T) => number;
  #kept: T[] = [];

  constructor(max: number, by: { readonly bytes: (item: T) => number; readonly name: (item: T) => string }) {
    this.#max = max;
    this.#order = (a, b) => by.bytes(b) - by.bytes(a) || (by.name(a) < by.name(b) ? -1 : 1);
  }

  add(item: T): void {
    this.#kept.push(item);
    if (this.#kept.length >= 2 * this.#max) this.#cut();
  }

  /** Largest first. */
  list(): readonly T[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    this.#kept = this.#kept.sort(this.#order).slice(0, this.#max);
  }
}
