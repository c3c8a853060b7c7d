import { type DiffId, type Digest, isDigest, sha256Fields } from "@tsbuild/base";
import type { CacheKeyId } from "@tsbuild/solver";
import { acyclic, byInput } from "./acyclic.ts";
import type { CacheDocument, CacheLayer, RecordEntry, RecordLink } from "./document.ts";

/** A key's ways in, with portable ops. */
export type LinksTo = (key: CacheKeyId) => readonly {
  readonly parent: CacheKeyId;
  readonly op: Digest;
  readonly input: number;
  readonly selector: string;
}[];

/** The layers of a result by their blobs, bottom first. */
export interface PortableResult {
  readonly createdAt: number;
  readonly layers: readonly { readonly blob: Digest; readonly diffId: DiffId }[];
}

interface Source {
  readonly selector: string;
  readonly node: Node;
}

/** A record in the making. */
interface Node {
  readonly id: string;
  readonly digest: Digest;
  readonly inputs: readonly (readonly Source[])[];
  readonly result: PortableResult | undefined;
}

/** Of the ways that lead to a key by one input; years of edits that came to the same content may have left many. */
const MAX_SOURCES = 8;

/**
 * Collects the records of some keys with everything that leads to them: by definition and by content, as far as the store knows it.
 */
export class ChainCollector {
  readonly #linksTo: LinksTo;
  readonly #results: ReadonlyMap<CacheKeyId, PortableResult>;
  readonly #links = new Map<CacheKeyId, ReturnType<LinksTo>>();

  constructor(linksTo: LinksTo, results: ReadonlyMap<CacheKeyId, PortableResult>) {
    this.#linksTo = linksTo;
    this.#results = results;
  }

  add(key: CacheKeyId): void {
    const pending = [key];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (this.#links.has(next)) continue;
      const links = newest(this.#linksTo(next));
      this.#links.set(next, links);
      for (const { parent } of links) pending.push(parent);
    }
  }

  /** Equal caches give equal documents, whatever the order in which they were collected. */
  document(): CacheDocument {
    const made = this.#makeAll();
    const nodes = [...new Map([...made.values()].flat().map((node) => [node.id, node])).values()];
    nodes.sort((a, b) => compare(a.digest, b.digest) || compare(a.id, b.id));
    const places = new Map(nodes.map((node, index) => [node.id, index]));
    const layers = new LayerList();
    for (const { result } of nodes) if (result !== undefined) layers.add(result);
    const records = nodes.map((node) => recordOf(node, places, layers));
    return { layers: layers.sorted(), records, mounts: [] };
  }

  #makeAll(): ReadonlyMap<CacheKeyId, readonly Node[]> {
    const made = new Map<CacheKeyId, readonly Node[]>();
    for (const [key, links] of acyclic(this.#links)) made.set(key, this.#make(key, links, made));
    return made;
  }

  #make(
    key: CacheKeyId,
    links: ReturnType<LinksTo>,
    made: ReadonlyMap<CacheKeyId, readonly Node[]>,
  ): readonly Node[] {
    if (links.length === 0)
      return isDigest(key) ? [{ id: key, digest: key, inputs: [], result: undefined }] : [];
    return [...Map.groupBy(links, ({ op }) => op)].flatMap(([op, own]) => {
      const inputs = byInput(own).map((sources) =>
        sources.flatMap(({ parent, selector }) =>
          (made.get(parent) ?? []).map((node) => ({ selector, node })),
        ),
      );
      if (inputs.some((sources) => sources.length === 0)) return [];
      const result = this.#results.get(key);
      return [{ id: nodeId(op, inputs, result), digest: op, inputs, result }];
    });
  }
}

/** The first few per op and input; they come newest first. */
function newest(links: ReturnType<LinksTo>): ReturnType<LinksTo> {
  const counts = new Map<string, number>();
  return links.filter(({ op, input }) => {
    const count = (counts.get(`${op} ${input}`) ?? 0) + 1;
    counts.set(`${op} ${input}`, count);
    return count <= MAX_SOURCES;
  });
}

function nodeId(
  op: Digest,
  inputs: readonly (readonly Source[])[],
  result: PortableResult | undefined,
): string {
  const parts = inputs.flatMap((sources, i) =>
    sources.map(({ selector, node }) => sha256Fields([String(i), selector, node.id])).sort(),
  );
  const layers = result?.layers.map(({ blob }) => blob) ?? [];
  return sha256Fields([op, String(inputs.length), ...parts, "result", ...layers]);
}

function recordOf(
  { digest, inputs, result }: Node,
  places: ReadonlyMap<string, number>,
  layers: LayerList,
): RecordEntry {
  return {
    digest,
    inputs: inputs.map((sources) => linksOf(sources, places)),
    results:
      result === undefined
        ? []
        : [{ layer: layers.place(result), createdAt: new Date(result.createdAt).toISOString() }],
    chains: [],
  };
}

function linksOf(sources: readonly Source[], places: ReadonlyMap<string, number>): RecordLink[] {
  const links = sources.map(({ selector, node }) => ({ selector, link: places.get(node.id) ?? -1 }));
  links.sort((a, b) => a.link - b.link || compare(a.selector, b.selector));
  return links.filter(({ selector, link }, i) => {
    const before = links[i - 1];
    return before === undefined || before.link !== link || before.selector !== selector;
  });
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Layers of all results, each on its parent; one blob on two parents is there twice. */
class LayerList {
  readonly #byPath = new Map<string, { readonly blob: Digest; readonly parent: string }>();
  #places: ReadonlyMap<string, number> | undefined;

  add({ layers }: PortableResult): void {
    let parent = "";
    for (const { blob } of layers) {
      const path = pathOf(parent, blob);
      this.#byPath.set(path, { blob, parent });
      parent = path;
    }
  }

  /** Of the topmost layer of a result that was added. No layer is added afterwards. */
  place({ layers }: PortableResult): number {
    let path = "";
    for (const { blob } of layers) path = pathOf(path, blob);
    return this.#order().get(path) ?? -1;
  }

  sorted(): CacheLayer[] {
    const order = this.#order();
    return [...order.keys()].map((path) => {
      const { blob, parent } = this.#byPath.get(path)!;
      return { blob, parent: parent === "" ? -1 : (order.get(parent) ?? -1) };
    });
  }

  #order(): ReadonlyMap<string, number> {
    this.#places ??= new Map(
      [...this.#byPath]
        .sort(([a, { blob: x }], [b, { blob: y }]) => compare(x, y) || compare(a, b))
        .map(([path], index) => [path, index]),
    );
    return this.#places;
  }
}

function pathOf(parent: string, blob: Digest): string {
  return sha256Fields([parent, blob]);
}
