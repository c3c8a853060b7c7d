import { type BuildEvent, type CacheReason, sha256Fields, type VertexDigest } from "@tsbuild/base";
import { type Graph, type OpMetadata, uniteGraphs, type Vertex } from "@tsbuild/llb";
import {
  type CacheRecord,
  type CacheStorage,
  type InputCacheMap,
  type KeyField,
  type MaxAge,
  MemoryCacheStorage,
  type MemoryGate,
  MemoryResults,
  MemoryWorkLocks,
  type OpContext,
  type Ref,
  type ResultId,
  type SolveRequest,
  type SolveResult,
  startSolve,
  type VertexOp,
  type VertexOutcome,
} from "@tsbuild/solver";

/** How an integer is computed. A vertex with the same `key` and inputs as another is equal work. */
export interface IntegerSpec {
  /** What the op does, for its cache key; default: the vertex's name. */
  readonly key?: string | undefined;
  readonly fields?: readonly KeyField[] | undefined;
  /** Default: the sum of the inputs. An array gives several outputs. */
  readonly compute?: ((inputs: readonly number[]) => number | readonly number[]) | undefined;
  /** Names the result; default: a new one for each run. An image gives the snapshot that is there already. */
  readonly resultId?: ((value: number) => string) | undefined;
  /** Per input: what of its value counts, where only that does. */
  readonly content?: Readonly<Record<number, (value: number) => number>> | undefined;
  /** Per input; default "". */
  readonly selectors?: Readonly<Record<number, string>> | undefined;
  /** What digesting an input waits for. */
  readonly contentWait?: ((context: OpContext) => Promise<void>) | undefined;
  /** Fields of the content of an input, for explanations. */
  readonly contentFields?:
    | ((value: number) => readonly KeyField[] | Promise<readonly KeyField[]>)
    | undefined;
  readonly contentOnly?: boolean | undefined;
  readonly ignoreCache?: boolean | undefined;
  readonly cheap?: boolean | undefined;
  /** What running waits for; it should end early on abort. */
  readonly wait?: ((context: OpContext) => Promise<void>) | undefined;
  /** Called by the cache map, e.g. to fail. */
  readonly onCacheMap?: ((context: OpContext) => void | Promise<void>) | undefined;
  readonly group?: OpMetadata["progressGroup"];
}

export type IntegerInput = IntegerVertex | readonly [vertex: IntegerVertex, output: number];

/** A node of a graph of integers. Immutable; a changed one is another. */
export interface IntegerVertex {
  readonly name: string;
  readonly digest: VertexDigest;
  readonly inputs: readonly { readonly vertex: IntegerVertex; readonly index: number }[];
  readonly spec: IntegerSpec;
}

export function integer(
  name: string,
  inputs: readonly IntegerInput[] = [],
  spec: IntegerSpec = {},
): IntegerVertex {
  const edges = inputs.map((input) =>
    "digest" in input ? { vertex: input, index: 0 } : { vertex: input[0], index: input[1] },
  );
  const parts = edges.flatMap(({ vertex, index }) => [vertex.digest, String(index)]);
  const digest = sha256Fields(["integer", name, spec.key ?? null, ...parts]) as string as VertexDigest;
  return { name, digest, inputs: edges, spec };
}

/** A source. */
export function constant(name: string, value: number, spec: IntegerSpec = {}): IntegerVertex {
  return integer(name, [], { key: `${name}=${value}`, compute: () => value, ...spec });
}

export function integerGraph(result: IntegerVertex | null, output = 0): Graph {
  const vertices = new Map<VertexDigest, Vertex>();
  if (result !== null) collect(result, vertices);
  return {
    vertices: [...vertices.values()],
    result: result === null ? null : { digest: result.digest, index: output },
  };
}

/** Inputs first and in their order, as a definition has them, without recursion: test graphs may be deep. */
function collect(result: IntegerVertex, into: Map<VertexDigest, Vertex>): void {
  const pending = [{ vertex: result, entered: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { vertex } = next;
    if (into.has(vertex.digest)) continue;
    if (next.entered) {
      into.set(vertex.digest, vertexOf(vertex));
      continue;
    }
    pending.push({ vertex, entered: true });
    for (const input of vertex.inputs.toReversed()) pending.push({ vertex: input.vertex, entered: false });
  }
}

const specs = new WeakMap<Vertex, IntegerVertex>();

function vertexOf(integerVertex: IntegerVertex): Vertex {
  const { digest, inputs, name, spec } = integerVertex;
  const vertex: Vertex = {
    digest,
    op: {
      inputs: inputs.map((input) => ({ digest: input.vertex.digest, index: input.index })),
      kind: { type: "source", identifier: `integer://${name}`, attrs: {} },
    },
    metadata: { name, ignoreCache: spec.ignoreCache, progressGroup: spec.group },
  };
  specs.set(vertex, integerVertex);
  return vertex;
}

/** What one solve did, in names. */
export interface IntegerReport {
  readonly value: number | null;
  /** Of the other results that were asked for. */
  readonly otherValues: readonly (number | null)[];
  readonly resultId: ResultId | undefined;
  readonly solved: SolveResult["solved"];
  /** Vertices whose op ran, in the order in which they began. */
  readonly ran: readonly string[];
  /** Name to `definition` or `content`. */
  readonly cached: Readonly<Record<string, string>>;
  readonly reasons: Readonly<Record<string, CacheReason>>;
  readonly outcomes: ReadonlyMap<VertexDigest, VertexOutcome>;
  readonly events: readonly BuildEvent[];
  /** Results opened from the storage. */
  readonly loads: number;
}

export interface IntegerSolveOptions {
  readonly jobs?: SolveRequest["jobs"] | undefined;
  readonly memory?: { readonly gate: MemoryGate; expected(name: string): number | undefined } | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly output?: number | undefined;
  /** Further results, each a graph of its own that is solved with the first. */
  readonly others?: readonly (IntegerVertex | null)[] | undefined;
  /** What is solved with instead of the world's own records. */
  readonly storage?: CacheStorage | undefined;
  readonly ignoreCache?: ((name: string) => boolean) | undefined;
  readonly maxAge?: ((name: string) => MaxAge | undefined) | undefined;
  /** Receives the events also of a solve that fails. */
  readonly onEvent?: ((event: BuildEvent) => void) | undefined;
  /** Receives the watchdog of the solve when it starts. */
  readonly onStart?: ((describeWaiting: () => string) => void) | undefined;
}

/** One state folder made of integers: solves on it share cache and locks, and everything is counted. */
export class IntegerWorld {
  readonly results = new MemoryResults<number>();
  readonly storage = new MemoryCacheStorage<number>(this.results);
  readonly locks = new MemoryWorkLocks();
  /** How often each vertex ran, by name. */
  readonly runs = new Map<string, number>();
  /** How often the content of an input of each vertex was digested, by name. */
  readonly digests = new Map<string, number>();

  /** Solves, and gives up the result after reading its value. Every handle is accounted for by the caller with `leaks`. */
  async solve(result: IntegerVertex | null, options: IntegerSolveOptions = {}): Promise<IntegerReport> {
    const events: BuildEvent[] = [];
    const ran: string[] = [];
    const counted = this.#countLoads();
    const more = (options.others ?? []).map((other) => integerGraph(other));
    const { graph, others } = uniteGraphs(integerGraph(result, options.output), ...more);
    const running = startSolve({
      graph,
      others,
      resolveOp: (vertex) => this.#op(specOf(vertex), ran),
      storage: options.storage ?? counted.storage,
      locks: this.locks,
      jobs: options.jobs ?? 4,
      memory: options.memory && {
        gate: options.memory.gate,
        expected: (vertex) => options.memory?.expected(specOf(vertex).name),
      },
      ignoreCache: (vertex) =>
        options.ignoreCache?.(specOf(vertex).name) === true
          ? { text: "--no-cache", emptiesMounts: true }
          : undefined,
      maxAge: (vertex) => options.maxAge?.(specOf(vertex).name),
      signal: options.signal ?? new AbortController().signal,
      emit: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    });
    options.onStart?.(running.describeWaiting);
    const { ref, outcomes, solved, others: solvedOthers } = await running.result;
    const integerOf = (one: Ref | null) => (one === null ? null : this.results.value(one));
    const value = integerOf(ref);
    const otherValues = solvedOthers.map((other) => integerOf(other.ref));
    const resultId = ref?.id;
    for (const one of [ref, ...solvedOthers.map((other) => other.ref)]) one?.release();
    return {
      value,
      otherValues,
      resultId,
      solved,
      ran,
      events,
      outcomes,
      loads: counted.loads(),
      ...summary(graph, outcomes),
    };
  }

  /** Handles and locks that should have been given up: `{ refs: 0, locks: 0 }`. */
  get leaks(): { readonly refs: number; readonly locks: number } {
    return { refs: this.results.outstanding, locks: this.locks.held };
  }

  /** Removes the results of the vertices with these names from the store; records stay. */
  evict(...names: readonly string[]): void {
    for (const name of names) this.results.evict(this.recordOf(name).result);
  }

  /** Removes the results of the vertices with these names, and their records. */
  forget(...names: readonly string[]): void {
    for (const name of names) this.storage.forget(this.recordOf(name).result);
  }

  /** The newest record of a vertex with this name. */
  recordOf(name: string): CacheRecord {
    const record = this.storage.newestLike(name);
    if (record === undefined) throw new Error(`nothing is recorded of ${name}`);
    return record;
  }

  #countLoads() {
    let loads = 0;
    const { storage } = this;
    const counting = Object.create(storage, {
      load: {
        value: (record: Parameters<typeof storage.load>[0]) => {
          loads++;
          return storage.load(record);
        },
      },
    }) as typeof storage;
    // Private fields belong to `storage` itself: the other methods are bound to it.
    for (const name of ["linked", "records", "keysOf", "save", "newestLike"] as const) {
      Object.defineProperty(counting, name, { value: storage[name].bind(storage) });
    }
    return { storage: counting, loads: () => loads };
  }

  #op(vertex: IntegerVertex, ran: string[]): VertexOp {
    const { spec, name } = vertex;
    return {
      cheap: spec.cheap,
      cacheMap: async (context) => {
        await spec.onCacheMap?.(context);
        return {
          digest: sha256Fields(["integer-op", spec.key ?? name]),
          fields: spec.fields ?? [{ name: "key", value: spec.key ?? name }],
          contentOnly: spec.contentOnly,
          inputs: vertex.inputs.map((_, i) => ({
            selector: spec.selectors?.[i] ?? "",
            content: this.#content(vertex, i),
          })),
        };
      },
      run: async (inputs, context) => {
        ran.push(name);
        count(this.runs, name);
        await spec.wait?.(context);
        const values = inputs.map((ref) => this.results.value(ref));
        const computed = (spec.compute ?? sum)(values);
        const outputs = typeof computed === "number" ? [computed] : computed;
        return outputs.map((value) => this.#result(spec, value));
      },
    };
  }

  #result(spec: IntegerSpec, value: number): Ref {
    if (spec.contentOnly === true) return this.results.transient(value);
    return this.results.create(value, spec.resultId?.(value) as ResultId | undefined);
  }

  #content(vertex: IntegerVertex, input: number): InputCacheMap["content"] {
    const select = vertex.spec.content?.[input];
    if (select === undefined) return undefined;
    const { contentFields, contentWait } = vertex.spec;
    return async (ref, context) => {
      count(this.digests, vertex.name);
      await contentWait?.(context);
      const value = this.results.value(ref);
      const fields = contentFields === undefined ? undefined : async () => contentFields(value);
      return { digest: sha256Fields(["integer-content", String(select(value))]), fields };
    };
  }
}

function specOf(vertex: Vertex): IntegerVertex {
  const found = specs.get(vertex);
  if (found === undefined) throw new Error(`vertex ${vertex.digest} is no integer`);
  return found;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function summary(graph: Graph, outcomes: ReadonlyMap<VertexDigest, VertexOutcome>) {
  const cached: Record<string, string> = {};
  const reasons: Record<string, CacheReason> = {};
  for (const vertex of graph.vertices) {
    const outcome = outcomes.get(vertex.digest);
    const { name } = specOf(vertex);
    if (outcome?.type === "cached") cached[name] = outcome.by;
    if (outcome?.type === "ran") reasons[name] = outcome.reason;
  }
  return { cached, reasons };
}

/** Something to wait for until the test lets it happen; rejects at once on abort. */
export function gate(): {
  readonly wait: (context: Pick<OpContext, "signal">) => Promise<void>;
  open(): void;
  /** Resolves when somebody has begun to wait. */
  readonly reached: Promise<void>;
} {
  const opened = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    open: () => opened.resolve(),
    reached: reached.promise,
    wait: ({ signal }) => {
      reached.resolve();
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      return Promise.race([opened.promise, aborted.promise]).finally(() =>
        signal.removeEventListener("abort", abort),
      );
    },
  };
}
