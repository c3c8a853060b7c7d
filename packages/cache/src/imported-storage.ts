import type { Digest } from "@tsbuild/base";
import {
  type CacheKeyId,
  type CacheLink,
  type CacheRecord,
  type CacheStorage,
  GENERATION_LINK,
  type OpContext,
  portableOp,
  type Ref,
  type ResultId,
} from "@tsbuild/solver";
import type { RecordStorage } from "@tsbuild/store";
import type { ImportedGraph, ImportedLayer } from "./imported-graph.ts";

/** A result in an imported cache. */
export interface ImportedStack {
  readonly graph: ImportedGraph;
  readonly layers: readonly ImportedLayer[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Name of the result that they are. */
  readonly result: ResultId;
}

/** Fetches an imported result; undefined when it cannot be had (and somebody was told why). */
export type FetchResult = (stack: ImportedStack, context: OpContext) => Promise<Ref | undefined>;

const PREFIX = "import:";

/**
 * The records of the store and those of imported caches as one storage, for one build. What is found in both is taken from the store.
 * An imported result is fetched when it is loaded, which the solver does only for what it really needs.
 *
 * Nothing imported is written into the store, and no link there leads to an imported key: other builds come to what others claim only
 * by importing it themselves.
 */
export class ImportingStorage implements CacheStorage {
  readonly #store: RecordStorage;
  readonly #graphs: readonly ImportedGraph[];
  readonly #fetch: FetchResult;
  readonly #ops = new Map<string, Digest>();

  constructor(store: RecordStorage, graphs: readonly ImportedGraph[], fetch: FetchResult) {
    this.#store = store;
    this.#graphs = graphs;
    this.#fetch = fetch;
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    const here = this.#store.linked(parent, link);
    if (link.op === GENERATION_LINK.op) return here;
    const op = this.#portable(link);
    const imported = this.#graphs.flatMap((graph) => graph.linked(parent, op, link.input, link.selector));
    return imported.length === 0 ? here : [...new Set([...here, ...imported])];
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    const graph = this.#graphOf(key);
    if (graph === undefined) return this.#store.records(key);
    const result = graph.result(key);
    if (result === undefined) return [];
    const { origin } = graph;
    const id = `${PREFIX}${result.id}` as ResultId;
    return [
      { key, result: id, createdAt: result.createdAt, description: "", fields: [], durationMs: 0, origin },
    ];
  }

  keysOf(result: ResultId, atMost?: number): readonly CacheKeyId[] {
    if (!result.startsWith(PREFIX)) return this.#store.keysOf(result, atMost);
    return this.#graphs.flatMap((graph) => graph.keysOf(result.slice(PREFIX.length))).slice(0, atMost);
  }

  save({ links, records }: Parameters<CacheStorage["save"]>[0]): void {
    this.#store.save({ links: links.filter(({ child }) => !this.isForeign(child)), records });
  }

  flushed(): Promise<void> | undefined {
    return this.#store.flushed?.();
  }

  flush(): void {
    this.#store.flush?.();
  }

  newestLike(description: string): CacheRecord | undefined {
    return this.#store.newestLike(description);
  }

  trace(key: CacheKeyId): CacheRecord | undefined {
    return this.#store.trace?.(key);
  }

  load(record: CacheRecord, context: OpContext): Ref | undefined | Promise<Ref | undefined> {
    const stack = this.stackOf(record.result);
    return stack === undefined ? this.#store.load(record) : this.#fetch(stack, context);
  }

  isForeign(key: CacheKeyId): boolean {
    return this.#graphOf(key) !== undefined;
  }

  /** The layers behind an imported result; undefined for one of the store. */
  stackOf(result: ResultId): ImportedStack | undefined {
    if (!result.startsWith(PREFIX)) return undefined;
    const id = result.slice(PREFIX.length);
    for (const graph of this.#graphs) {
      const [key] = graph.keysOf(id);
      const found = key === undefined ? undefined : graph.result(key);
      if (found !== undefined) {
        return { graph, layers: found.layers(), createdAt: found.createdAt, result };
      }
    }
    return undefined;
  }

  /** Links that lead to a key, whoever made it, with portable ops. */
  linksTo(child: CacheKeyId): readonly { parent: CacheKeyId; op: Digest; input: number; selector: string }[] {
    const graph = this.#graphOf(child);
    if (graph !== undefined) return graph.linksTo(child);
    return this.#store.linksTo(child).flatMap(({ parent, link }) => {
      // A generation stands where the key that it took the place of stood.
      if (link.op === GENERATION_LINK.op) return parent === child ? [] : this.linksTo(parent);
      return [{ parent, op: this.#portable(link), input: link.input, selector: link.selector }];
    });
  }

  #graphOf(key: CacheKeyId): ImportedGraph | undefined {
    return this.#graphs.find((graph) => graph.has(key));
  }

  #portable({ op, output }: CacheLink): Digest {
    const name = `${op} ${output}`;
    const known = this.#ops.get(name) ?? portableOp(op, output);
    this.#ops.set(name, known);
    return known;
  }
}
