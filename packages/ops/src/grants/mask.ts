import type { Secret } from "./grants.ts";

/** Shorter texts are too often part of something else: `1`, `on`, `root` would turn a log into stars. */
const SHORTEST = 4;
const STARS = Buffer.from("****");

/** The texts of a value that give it away: the whole, and of a value with several lines each line. */
function textsOf(value: Uint8Array): Buffer[] {
  const lines = Buffer.from(value).toString("latin1").split(/\r?\n/);
  return lines.map((line) => Buffer.from(line.trim(), "latin1")).filter((line) => line.length >= SHORTEST);
}

/**
 * Replaces the values of secrets in a stream of bytes (W011). What may be the beginning of one is held back until the next chunk tells,
 * so that a value cut by a chunk's border is found; nothing else is.
 */
export class SecretMask {
  /** Longest first: of two that begin alike the longer one is hidden whole. */
  readonly #texts: readonly Buffer[];
  /** By first byte: most bytes begin no secret. */
  readonly #starts = new Set<number>();

  constructor(secrets: Iterable<Secret>) {
    const unique = new Map(
      [...secrets].flatMap(({ value }) => textsOf(value)).map((text) => [text.toString("latin1"), text]),
    );
    this.#texts = [...unique.values()].sort((a, b) => b.length - a.length);
    for (const [first = 0] of this.#texts) this.#starts.add(first);
  }

  get isEmpty(): boolean {
    return this.#texts.length === 0;
  }

  /** Whole text at once, e.g. of a message. */
  text(text: string): string {
    if (this.isEmpty) return text;
    const { done, rest } = this.#mask(Buffer.from(text));
    return Buffer.concat([...done, rest]).toString();
  }

  /** A sink for one stream; `end` gives out what was held back. */
  stream(sink: (chunk: Uint8Array) => void): MaskedStream {
    let held: Buffer = Buffer.alloc(0);
    return {
      write: (chunk) => {
        const { done, rest } = this.#mask(held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk]));
        // A copy: the chunk's memory is the caller's.
        held = Buffer.from(rest);
        if (done.length > 0) sink(done.length === 1 ? done[0]! : Buffer.concat(done));
      },
      end: () => {
        if (held.length > 0) sink(held);
        held = Buffer.alloc(0);
      },
    };
  }

  /** `rest` is what could become a secret with more bytes. */
  #mask(data: Buffer): { readonly done: Buffer[]; readonly rest: Buffer } {
    const done: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < data.length; ) {
      const found = this.#starts.has(data[at]!) ? this.#match(data, at) : undefined;
      if (found === "perhaps") return { done: push(done, data.subarray(from, at)), rest: data.subarray(at) };
      if (found === undefined) {
        at++;
        continue;
      }
      push(done, data.subarray(from, at)).push(STARS);
      at += found.length;
      from = at;
    }
    return { done: push(done, data.subarray(from)), rest: data.subarray(data.length) };
  }

  #match(data: Buffer, at: number): Buffer | "perhaps" | undefined {
    for (const text of this.#texts) {
      const length = Math.min(text.length, data.length - at);
      if (data.compare(text, 0, length, at, at + length) !== 0) continue;
      return length === text.length ? text : "perhaps";
    }
    return undefined;
  }
}

export interface MaskedStream {
  readonly write: (chunk: Uint8Array) => void;
  readonly end: () => void;
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

function push(list: Buffer[], part: Buffer): Buffer[] {
  if (part.length > 0) list.push(part);
  return list;
}
