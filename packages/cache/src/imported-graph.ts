import { type DiffId, type Digest, isDigest, limits, sha256Fields } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci/documents";
import type { CacheKeyId } from "@tsbuild/solver";
import { type CacheDocument, type RecordEntry, UNCOMPRESSED } from "./document.ts";

/** A layer of somebody else's result. */
export interface ImportedLayer {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

export interface ImportedResult {
  /** Equal stacks of layers, equal ids. */
  readonly id: string;
  readonly createdAt: number;
  /** Bottom first. */
  layers(): readonly ImportedLayer[];
}

/** A link to an imported key, with the op in the form of `portableOp`. */
export interface ImportedLink {
  readonly parent: CacheKeyId;
  readonly op: Digest;
  readonly input: number;
  readonly selector: string;
}

interface Stack {
  readonly id: string;
  readonly depth: number;
  readonly top: ImportedLayer;
  readonly below: Stack | undefined;
}

const VERSION = "tsbuild-import-1";

/**
 * Somebody else's keys, ready for look-ups. Nothing of the document is trusted: records in a cycle, with links to nowhere, or with
 * an input that nothing leads to are left out with all that hangs on them, and so are results whose layers are not known whole.
 *
 * Keys. A root's digest is the identity of what it stands for (an image's layers, a content), so it is the key that this store has for
 * the same thing. All other records get keys of their own, digests over the record, its ancestors and its results: such a key is
 * in nobody's store, and leads to nothing that was computed here. What is built on top of an imported result is saved below such keys,
 * so it is found again where the very same record is imported again, and never without.
 *
 * Results of roots are ignored: a root is what the store itself would fetch, and its key is everybody's.
 */
export class ImportedGraph {
  readonly origin: string;
  readonly #children = new Map<string, Set<CacheKeyId>>();
  readonly #results = new Map<CacheKeyId, ImportedResult>();
  readonly #links = new Map<CacheKeyId, ImportedLink[]>();
  readonly #byResult = new Map<string, Set<CacheKeyId>>();
  readonly #stacks: readonly (Stack | undefined)[];

  constructor(origin: string, document: CacheDocument, blobs: ReadonlyMap<Digest, Descriptor>) {
    this.origin = origin;
    this.#stacks = stackLayers(document, blobs);
    const keys = new Map<number, CacheKeyId | undefined>();
    for (const index of inOrder(document.records)) keys.set(index, this.#add(document.records[index]!, keys));
  }

  /** How many records can be hit. */
  get size(): number {
    return this.#results.size;
  }

  has(key: CacheKeyId): boolean {
    return this.#links.has(key);
  }

  linked(parent: CacheKeyId, op: Digest, input: number, selector: string): readonly CacheKeyId[] {
    return [...(this.#children.get(edge(parent, op, input, selector)) ?? [])];
  }

  result(key: CacheKeyId): ImportedResult | undefined {
    return this.#results.get(key);
  }

  linksTo(key: CacheKeyId): readonly ImportedLink[] {
    return this.#links.get(key) ?? [];
  }

  keysOf(result: string): readonly CacheKeyId[] {
    return (this.#byResult.get(result) ?? new Set()).values().take(MAX_KEYS).toArray();
  }

  /** The record's key, or undefined when it is no use. All that it links to has been seen, or is in a cycle with it. */
  #add(record: RecordEntry, known: ReadonlyMap<number, CacheKeyId | undefined>): CacheKeyId | undefined {
    if (record.inputs.length === 0) return record.digest as string as CacheKeyId;
    const links: ImportedLink[] = [];
    for (const [input, sources] of record.inputs.entries()) {
      const found = sources.flatMap(({ selector, link }) => {
        const parent = known.get(link);
        return parent === undefined ? [] : [{ parent, op: record.digest, input, selector }];
      });
      if (found.length === 0) return undefined;
      links.push(...found);
    }
    const result = this.#bestResult(record);
    const key = importedKey(record, links, result);
    if (this.#links.has(key)) return key;
    this.#links.set(key, links);
    for (const { parent, op, input, selector } of links)
      append(this.#children, edge(parent, op, input, selector), key);
    if (result !== undefined) {
      this.#results.set(key, result);
      append(this.#byResult, result.id, key);
    }
    return key;
  }

  /** The newest whose layers are all known. */
  #bestResult({ results, chains }: RecordEntry): ImportedResult | undefined {
    const found = [
      ...results.map(({ layer, createdAt }) => ({ stack: this.#stacks[layer], createdAt })),
      ...chains.map(({ layers, createdAt }) => ({ stack: this.#restack(layers), createdAt })),
    ].flatMap(({ stack, createdAt }) => {
      const time = Date.parse(createdAt);
      return stack === undefined ? [] : [{ stack, time: Number.isFinite(time) ? time : 0 }];
    });
    found.sort((a, b) => b.time - a.time);
    const [best] = found;
    if (best === undefined) return undefined;
    const { stack, time } = best;
    return { id: stack.id, createdAt: time, layers: () => layersOf(stack) };
  }

  #restack(places: readonly number[]): Stack | undefined {
    let stack: Stack | undefined;
    for (const place of places) {
      const layer = this.#stacks[place]?.top;
      if (layer === undefined) return undefined;
      stack = onTop(stack, layer);
    }
    return stack;
  }
}

/** Keys of one result that anybody asks for: a cache may claim that all of its keys have the same. */
const MAX_KEYS = 32;

function append<K>(map: Map<K, Set<CacheKeyId>>, at: K, key: CacheKeyId): void {
  const keys = map.get(at);
  if (keys === undefined) map.set(at, new Set([key]));
  else keys.add(key);
}

function edge(parent: CacheKeyId, op: Digest, input: number, selector: string): string {
  return `${parent} ${op} ${input} ${selector}`;
}

function importedKey(
  record: RecordEntry,
  links: readonly ImportedLink[],
  result: ImportedResult | undefined,
): CacheKeyId {
  const sources = links
    .map(({ parent, input, selector }) => sha256Fields([String(input), selector, parent]))
    .sort();
  const count = String(record.inputs.length);
  const fields = [VERSION, record.digest, count, result?.id ?? null, ...sources];
  return sha256Fields(fields) as string as CacheKeyId;
}

/** Places of the records, each after those that it links to; one in a cycle comes before some of them. */
function* inOrder(records: readonly RecordEntry[]): Generator<number> {
  const seen = new Set<number>();
  for (const start of records.keys()) {
    const pending: { readonly index: number; readonly next: Iterator<number> }[] = [];
    const enter = (index: number): void => {
      const record = records[index];
      if (record === undefined || seen.has(index)) return;
      seen.add(index);
      pending.push({ index, next: linksOf(record) });
    };
    enter(start);
    for (let top = pending.at(-1); top !== undefined; top = pending.at(-1)) {
      const { done, value } = top.next.next();
      if (done !== true) enter(value);
      else {
        pending.pop();
        yield top.index;
      }
    }
  }
}

function* linksOf(record: RecordEntry): Generator<number> {
  for (const sources of record.inputs) for (const { link } of sources) yield link;
}

/** Stacks by place; undefined where a layer's bytes or diff ID, or one below it, are not known. */
function stackLayers(
  { layers }: CacheDocument,
  blobs: ReadonlyMap<Digest, Descriptor>,
): readonly (Stack | undefined)[] {
  const stacks: (Stack | undefined)[] = [];
  const done = new Set<number>();
  for (const start of layers.keys()) {
    const path: number[] = [];
    // Downwards to what is known already. A cycle comes back to its start, which is not done, and ends by the bound.
    for (
      let at = start;
      at >= 0 && !done.has(at) && path.length <= limits.layers;
      at = layers[at]?.parent ?? -1
    ) {
      if (layers[at] === undefined) break;
      path.push(at);
    }
    for (const at of path.reverse()) {
      const entry = layers[at]!;
      const below = entry.parent < 0 ? undefined : stacks[entry.parent];
      const layer = importedLayer(blobs.get(entry.blob));
      const isWhole = layer !== undefined && (entry.parent < 0 || below !== undefined);
      if (!done.has(at) && isWhole) stacks[at] = onTop(below, layer);
      done.add(at);
    }
  }
  return stacks;
}

function importedLayer(blob: Descriptor | undefined): ImportedLayer | undefined {
  if (blob === undefined) return undefined;
  const noted = blob.annotations?.[UNCOMPRESSED] ?? (/[.]tar$/.test(blob.mediaType) ? blob.digest : "");
  return isDigest(noted) ? { blob, diffId: noted as string as DiffId } : undefined;
}

function onTop(below: Stack | undefined, top: ImportedLayer): Stack | undefined {
  const depth = (below?.depth ?? 0) + 1;
  if (depth > limits.layers) return undefined;
  return { id: sha256Fields([VERSION, "stack", below?.id ?? null, top.diffId]), depth, top, below };
}

function layersOf(stack: Stack): readonly ImportedLayer[] {
  const layers: ImportedLayer[] = [];
  for (let at: Stack | undefined = stack; at !== undefined; at = at.below) layers.push(at.top);
  return layers.reverse();
}
