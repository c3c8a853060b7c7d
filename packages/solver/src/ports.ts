import type {
  CacheReason,
  Digest,
  EventSink,
  TsbuildError,
  VertexDigest,
  VertexResources,
} from "@tsbuild/base";

declare const brand: unique symbol;

/** Names a stored result (in the store: a snapshot, or scratch). Opaque to the solver. */
export type ResultId = string & { readonly [brand]: "ResultId" };
/** Names a cache key: a node of the key graph. Opaque to storage. */
export type CacheKeyId = string & { readonly [brand]: "CacheKeyId" };

/**
 * A counted handle to the result of a vertex output. Whoever gets one must release it once; what it names stays
 * in the store at least until then.
 */
export interface Ref {
  /** `undefined`: the result cannot be persisted (a local context read in place); no record is made of it. */
  readonly id: ResultId | undefined;
  /** Another handle to the same result. */
  clone(): Ref;
  release(): void;
}

/** What an op gets to work with. */
export interface OpContext {
  readonly vertex: VertexDigest;
  readonly signal: AbortSignal;
  /** For status, log and warning events of this vertex. */
  readonly emit: EventSink;
  /** True when this vertex runs although a record may exist (--no-cache): exec empties its cache mounts (D090). */
  readonly ignoreCache: boolean;
  /** When content is digested: no record can match, whatever it is. */
  readonly willRun?: boolean | undefined;
  /** Notes what running cost; told with vertex-completed. */
  readonly measured?: ((resources: VertexResources) => void) | undefined;
}

/** One input of the key of an op, kept with the record so that a later miss can be explained. */
export interface KeyField {
  /** E.g. `args`, `env.PATH`, `file:src/a.ts`. */
  readonly name: string;
  /** The value, or a digest of it where the value is long or private. */
  readonly value: string;
}

/** The content of an input at the selected paths. */
export interface ContentKey {
  readonly digest: Digest;
  /** Per-path digests for explanations, computed only when asked for. */
  readonly fields?: (() => Promise<readonly KeyField[]>) | undefined;
}

export interface InputCacheMap {
  /** Restricts the input to some paths; part of the link from the input's key to the op's key. */
  readonly selector: string;
  /**
   * When given, the op depends on nothing of this input but what this function digests: after a miss by
   * definition the input is solved and a match by content is tried (V011). Must not depend on anything but the
   * content of `ref`.
   */
  readonly content?: ((ref: Ref, context: OpContext) => Promise<ContentKey>) | undefined;
}

export interface CacheMap {
  /** Digest of what the op does, without its inputs. */
  readonly digest: Digest;
  /** One per input of the vertex. */
  readonly inputs: readonly InputCacheMap[];
  readonly fields: readonly KeyField[];
  /**
   * True for a source whose identity says nothing about its content (a local folder): no key is made by
   * definition, neither for it nor for what is computed from it; only content counts.
   */
  readonly contentOnly?: boolean | undefined;
}

/** The solver's view of an op. One object serves one vertex in one solve. */
export interface VertexOp {
  /** Cheap: must not run the op or need its inputs; may resolve names over the network. Called at most once. */
  cacheMap(context: OpContext): Promise<CacheMap>;
  /**
   * Computes all outputs. `inputs` stay owned by the caller; the returned refs belong to the caller. Called at most
   * once, and only when no record matches. Rejects with a TsbuildError; on abort, promptly.
   */
  run(inputs: readonly Ref[], context: OpContext): Promise<readonly Ref[]>;
  /** True when running costs nothing worth a place in the limit of parallel work (sources read in place, merges). */
  readonly cheap?: boolean | undefined;
}

/** An edge of the key graph: the key of an input leads, through an op, to the key of the op's output. */
export interface CacheLink {
  readonly op: Digest;
  readonly output: number;
  /** Which input of the op the parent key stands for; -1 for the root key of an op without inputs. */
  readonly input: number;
  readonly selector: string;
}

/** Key to result. Written once; the last thing written of a finished vertex. */
export interface CacheRecord {
  readonly key: CacheKeyId;
  readonly result: ResultId;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Progress name of the vertex that made it. */
  readonly description: string;
  readonly fields: readonly KeyField[];
  readonly durationMs: number;
  /** Of what is left of a record whose result was removed (only `newestLike` and `trace` give those): when, and by what, e.g. `gc`. */
  readonly evicted?: { readonly at: number; readonly by: string } | undefined;
  /** Of a record that is read from an imported cache: whose, for people. */
  readonly origin?: string | undefined;
}

/**
 * Where keys and records live, for all processes on one state folder. Synchronous: a look-up is a few indexed reads. What is
 * saved may be written a little later, for the sake of many saves at once.
 */
export interface CacheStorage {
  /** Keys that `link` leads to from `parent`, oldest first. */
  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[];
  /** The last of these alone: a vertex that is run again and again has as many generations. A storage that does not know better leaves it out. */
  newestLinked?(parent: CacheKeyId, link: CacheLink): CacheKeyId | undefined;
  /** As `linked` from several keys, each once, in the order of the keys: for a storage that finds all of them at the cost of one. */
  linkedFromAny?(parents: readonly CacheKeyId[], link: CacheLink): readonly CacheKeyId[];
  /** Records of a key, newest first. */
  records(key: CacheKeyId): readonly CacheRecord[];
  /** Keys under which a result is stored, oldest first: equal results are reached from any of them. A common result (scratch) has thousands. */
  keysOf(result: ResultId, atMost?: number): readonly CacheKeyId[];
  /** Adds links and records; what exists already is left as it is. Seen here at once, by other processes when it is `flushed`: whole or not at all. */
  save(entry: {
    readonly links: readonly {
      readonly parent: CacheKeyId;
      readonly link: CacheLink;
      readonly child: CacheKeyId;
    }[];
    readonly records: readonly CacheRecord[];
  }): void;
  /**
   * Resolves when all that was saved is there for other processes, too; undefined when it is already. Rejects when it cannot be written: then
   * it is as if it had not been saved. A storage that writes at once leaves it out, and `flush` as well.
   */
  flushed?(): Promise<void> | undefined;
  /** Writes now what was saved. How that went is told by the promise that `flushed` gave. */
  flush?(): void;
  /** Newest record whose description is `description`, for explaining a miss. */
  newestLike(description: string): CacheRecord | undefined;
  /** What is left of the last removed record of a key, for the same. A storage that removes none leaves it out. */
  trace?(key: CacheKeyId): CacheRecord | undefined;
  /**
   * A handle to a stored result, or undefined when it was evicted (then the caller computes it anew). A promise where it has to be
   * fetched first; what that costs is told to `context`.
   */
  load(record: CacheRecord, context: OpContext): Ref | undefined | Promise<Ref | undefined>;
  /**
   * Whether a key comes from an imported cache. Nothing is saved under such a key: what others claim to be the result of a step
   * stays apart from what was computed here. A storage without imports leaves it out.
   */
  isForeign?(key: CacheKeyId): boolean;
}

/**
 * Makes equal work run once across builds and processes: held while a vertex is run, from before the last look-up to when others
 * can see its record. Released by the kernel when the holder dies.
 */
export interface WorkLocks {
  /** Waits until nobody else holds `name`. Rejects on abort. */
  acquire(name: string, signal: AbortSignal): Promise<{ release(): void }>;
}

/** How a vertex came to its result. */
export type VertexOutcome =
  | { readonly type: "cached"; readonly by: "definition" | "content" }
  | { readonly type: "ran"; readonly reason: CacheReason }
  | { readonly type: "failed"; readonly error: TsbuildError }
  | { readonly type: "canceled" };
