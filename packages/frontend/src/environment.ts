/** Variables in the order in which they were last set: the order in which a command gets them. */
export class Environment {
  readonly #values: Map<string, string>;

  constructor(values: Iterable<readonly [string, string]> = []) {
    this.#values = new Map(values);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: string): void {
    this.#values.delete(name);
    this.#values.set(name, value);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  names(): string[] {
    return [...this.#values.keys()];
  }

  /** `K=V` in order. */
  toArray(): string[] {
    return Array.from(this.#values, ([name, value]) => `${name}=${value}`);
  }

  clone(): Environment {
    return new Environment(this.#values);
  }
}

/** Name and value of `K=V`; the value is empty without `=`. */
export function splitVariable(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
