/** Variables in the order in which they were last set: the order in which a command gets them. */
export class Environment {
  readonly #values: Map<string, string>;
  /** `toArray` until the next change. */
  #array: readonly string[] | undefined;
  #bytes = 0;

  constructor(values: Iterable<readonly [string, string]> = []) {
    this.#values = new Map(values);
    for (const [name, value] of this.#values) this.#bytes += sizeOf(name, value);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: string): void {
    this.delete(name);
    this.#values.set(name, value);
    this.#bytes += sizeOf(name, value);
  }

  delete(name: string): void {
    const value = this.#values.get(name);
    if (value !== undefined) this.#bytes -= sizeOf(name, value);
    this.#values.delete(name);
    this.#array = undefined;
  }

  names(): Iterable<string> {
    return this.#values.keys();
  }

  /** Bytes that the variables take in a step, about. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** `K=V` in order. */
  toArray(): readonly string[] {
    this.#array ??= Array.from(this.#values, ([name, value]) => `${name}=${value}`);
    return this.#array;
  }

  clone(): Environment {
    return new Environment(this.#values);
  }
}

/** With the `=`, and a few bytes for the place in lists. */
function sizeOf(name: string, value: string): number {
  return name.length + value.length + 8;
}

/** Name and value of `K=V`; the value is empty without `=`. */
export function splitVariable(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
