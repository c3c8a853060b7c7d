import { setMaxListeners } from "node:events";
import { assert, bugText, type EventSink, errnoCode, TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { Graph, Input, Vertex } from "@tsbuild/llb";
import { complete } from "./complete.ts";
import { define } from "./define.ts";
import { earlierRecord } from "./earlier.ts";
import { makeStates, outputOf } from "./graph-states.ts";
import { type JobLimit, jobLimit } from "./job-limit.ts";
import { Outstanding } from "./outstanding.ts";
import { Patience } from "./patience.ts";
import type {
  CacheKeyId,
  CacheRecord,
  CacheStorage,
  Ref,
  ResultId,
  VertexOp,
  VertexOutcome,
  WorkLocks,
} from "./ports.ts";
import { Reporter } from "./report.ts";
import { settle } from "./settle.ts";
import { type MemoryLimit, type Solving, Stopped } from "./solving.ts";
import { advance, type Ignored, type MaxAge, type Stage, type VertexState } from "./vertex-state.ts";
import { describeWaiting } from "./waiting.ts";

export interface SolveRequest {
  readonly graph: Graph;
  /** Further results of the same graph, such as those of other platforms; what they share with the first is computed once. */
  readonly others?: readonly (Input | null)[] | undefined;
  /** Makes the executor of a vertex; called once for each vertex that the result depends on. */
  resolveOp(vertex: Vertex): VertexOp;
  readonly storage: CacheStorage;
  readonly locks: WorkLocks;
  /** How many vertices run at once (`cheap` ones do not count; of those that are ready, the first in the graph goes first), or a limit shared with other solves. */
  readonly jobs: number | JobLimit;
  /** What else those that count as jobs wait for. */
  readonly memory?: MemoryLimit | undefined;
  /** Whose records are not looked at, besides those whose metadata says so. */
  ignoreCache?(vertex: Vertex): Ignored | undefined;
  /** Records of a vertex that are older than this are not taken. */
  maxAge?(vertex: Vertex): MaxAge | undefined;
  /**
   * The key under which a vertex was found or recorded by an earlier build of the same project, to say what has changed since;
   * `undefined`: the project did not have it; `first-build`: there was none. Without this function the newest record of the same
   * name is taken.
   */
  earlier?(vertex: VertexDigest): CacheKeyId | "first-build" | undefined;
  /** Told once at the end, however it came about: under which keys vertices were found or recorded, for `earlier` of the next build. Must not throw. */
  onRecorded?(recorded: ReadonlyMap<VertexDigest, CacheKeyId>): void;
  readonly signal: AbortSignal;
  readonly emit: EventSink;
  /** Hears of each result as soon as its record is saved, while others are still computed. Must not throw. */
  readonly onSaved?: ((result: ResultId) => void) | undefined;
}

/** An output that was computed or found. */
export interface SolvedOutput {
  readonly name: string;
  readonly key: CacheKeyId;
  readonly result: ResultId;
  readonly createdAt: number;
}

/** One result of a graph. */
export interface SolvedResult {
  /** `null`: the empty filesystem. The caller releases it. */
  readonly ref: Ref | null;
  /** Keys of the result; empty when nothing says by definition what it is. */
  readonly keys: readonly CacheKeyId[];
}

/** The graph's own result, and what came with it. */
export interface SolveResult extends SolvedResult {
  /** The other results that were asked for, in their order. */
  readonly others: readonly SolvedResult[];
  /** Every output whose record is known, inputs before what was made of them: what a cache can be exported from. Looked up when it is first asked for. */
  readonly solved: readonly SolvedOutput[];
  /** Of every vertex that was looked at; one that nobody needed and that is not known to be cached is not in it. */
  readonly outcomes: ReadonlyMap<VertexDigest, VertexOutcome>;
}

export interface RunningSolve {
  readonly result: Promise<SolveResult>;
  /** Who waits for what, one line each; empty when nobody does. */
  describeWaiting(): string;
  /** Whether an op runs now: then the others may well wait. */
  isWorking(): boolean;
}

/**
 * Computes the results of a graph, running only what is not known. Rejects with the TsbuildError of the first vertex that
 * failed, or TSB_CANCELED after an abort; either way everything that was started has ended by then, what was finished is
 * recorded, and no ref is held.
 */
export async function solve(request: SolveRequest): Promise<SolveResult> {
  return await startSolve(request).result;
}

/** As `solve`, for a caller that wants to watch it. */
export function startSolve(request: SolveRequest): RunningSolve {
  const scheduler = new Scheduler(request);
  return {
    result: scheduler.solve(),
    describeWaiting: () => describeWaiting(scheduler.states),
    isWorking: () => scheduler.states.some(({ phase }) => phase === "running" || phase === "saving"),
  };
}

const DONE = Promise.resolve();
const NO_CACHE: Ignored = { text: "--no-cache", emptiesMounts: true };

const TRANSITIONS: Readonly<
  Record<Stage, (solving: Solving, state: VertexState) => Promise<void> | undefined>
> = {
  defined: define,
  settled: settle,
  complete,
};

class Scheduler implements Solving {
  readonly storage: CacheStorage;
  readonly locks: WorkLocks;
  readonly limit: JobLimit;
  readonly memory: MemoryLimit | undefined;
  readonly signal: AbortSignal;
  readonly report: Reporter;
  readonly patience: Patience;
  readonly onSaved: ((result: ResultId) => void) | undefined;
  readonly states: readonly VertexState[];
  readonly #request: SolveRequest;
  readonly #abort = new AbortController();
  readonly #work = new Outstanding();
  /** The last write that was waited for. */
  #written: Promise<void> | undefined;
  #failure: TsbuildError | undefined;

  constructor(request: SolveRequest) {
    this.#request = request;
    this.storage = request.storage;
    this.locks = request.locks;
    this.limit = typeof request.jobs === "number" ? jobLimit(request.jobs) : request.jobs;
    this.memory = request.memory;
    this.signal = this.#abort.signal;
    // Every vertex at work listens to it: many listeners are no leak here.
    setMaxListeners(0, this.signal);
    this.report = new Reporter(request.emit);
    this.patience = new Patience((state) => {
      this.report.note(state, "waits for another step or build that does the same work");
    });
    this.onSaved = request.onSaved;
    this.states = makeStates({
      graph: request.graph,
      others: request.others,
      resolveOp: (vertex) => request.resolveOp(vertex),
      isIgnored: (vertex) =>
        request.ignoreCache?.(vertex) ?? (vertex.metadata.ignoreCache === true ? NO_CACHE : undefined),
      maxAge: (vertex) => request.maxAge?.(vertex),
    });
  }

  async solve(): Promise<SolveResult> {
    const { signal } = this.#request;
    const giveUp = () => this.#abort.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    try {
      this.report.graph(this.states);
      await this.#solveAll();
      return this.#result();
    } catch (error) {
      if (!this.signal.aborted) throw error;
      throw this.#failure ?? canceled(signal);
    } finally {
      signal.removeEventListener("abort", giveUp);
      this.#releaseAll();
    }
  }

  earlier(state: VertexState): CacheRecord | "first-build" | undefined {
    return earlierRecord(this.#request, state);
  }

  need(state: VertexState, stage: Stage): Promise<void> {
    const known = state.stages[stage];
    if (known !== undefined) return known;
    const started = this.#start(state, stage);
    state.stages[stage] = started;
    // Before anybody waits for it: by the time they hear of a failure, it is known to be the first.
    if (started !== DONE) this.#work.add(started, (error) => this.#stop(state, error));
    return started;
  }

  save(entry: Parameters<CacheStorage["save"]>[0]): void {
    this.storage.save(entry);
    const written = this.storage.flushed?.();
    if (written === undefined || written === this.#written) return;
    this.#written = written;
    this.#work.add(written, (error) => this.#fail(asTsbuildError(error)));
  }

  watch<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    return work;
  }

  async #solveAll(): Promise<void> {
    const wanted = this.#wanted().filter((result) => result !== null);
    try {
      // Inputs first, so that no stage is entered from deep inside another: a graph may be a chain of thousands.
      for (const state of this.states) this.need(state, "defined");
      // All at once: one after the other the second platform's steps would wait for the first's.
      await Promise.all(wanted.map((result) => this.need(this.#stateOf(result), "complete")));
      if (this.signal.aborted) throw new Stopped();
    } finally {
      this.storage.flush?.();
      // Also what a failure left behind.
      await this.#work.drained();
      this.#closeReports();
      this.#request.onRecorded?.(this.#recorded());
    }
  }

  #closeReports(): void {
    if (!this.signal.aborted) this.report.closeRest();
    const error = canceled(this.#request.signal);
    for (const state of this.report.open) this.report.canceled(state, error);
  }

  /** What can be told at once is told without a promise of its own: most stages of a large graph. */
  #start(state: VertexState, stage: Stage): Promise<void> {
    if (this.signal.aborted) return Promise.reject(new Stopped());
    try {
      return TRANSITIONS[stage](this, state) ?? DONE;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The first error stops the solve; whoever waits for this vertex hears of it, and of what comes after it, as a consequence. */
  #stop(state: VertexState, error: unknown): void {
    if (state.phase !== "complete") advance(state, "stopped");
    if (this.signal.aborted) return;
    const failure = asTsbuildError(error).with({ vertex: state.digest });
    this.report.failed(state, failure);
    this.#fail(failure);
  }

  #fail(failure: TsbuildError): void {
    if (this.signal.aborted) return;
    this.#failure = failure;
    this.#abort.abort(failure);
  }

  #recorded(): ReadonlyMap<VertexDigest, CacheKeyId> {
    const recorded = new Map<VertexDigest, CacheKeyId>();
    for (const state of this.states) {
      const key = recordedKey(state);
      if (key !== undefined) recorded.set(state.digest, key);
    }
    return recorded;
  }

  #wanted(): readonly (Input | null)[] {
    const { graph, others = [] } = this.#request;
    return [graph.result, ...others];
  }

  #solved(result: Input | null): SolvedResult {
    const output = result === null ? undefined : outputOf(this.#stateOf(result), result.index);
    return { ref: output?.ref?.clone() ?? null, keys: output?.own ?? [] };
  }

  #result(): SolveResult {
    const [first, ...others] = this.#wanted().map((result) => this.#solved(result));
    assert(first !== undefined, "a graph has a result");
    const outcomes = new Map<VertexDigest, VertexOutcome>();
    for (const state of this.states) {
      if (state.outcome !== undefined) outcomes.set(state.digest, state.outcome);
    }
    const { states, storage } = this;
    let solved: readonly SolvedOutput[] | undefined;
    return {
      ...first,
      others,
      outcomes,
      // A look-up for each vertex, and only who exports a cache asks.
      get solved() {
        solved ??= states.flatMap((state) => solvedOutputs(storage, state));
        return solved;
      },
    };
  }

  #stateOf(result: Input): VertexState {
    const state = this.states.find((known) => known.digest === result.digest);
    assert(state !== undefined, `the result ${result.digest} is not a vertex of the graph`);
    return state;
  }

  #releaseAll(): void {
    for (const state of this.states) {
      assert(!state.holdsLock, `${state.name} holds its lock after the end`);
      for (const output of state.outputs) output.ref?.release();
    }
  }
}

/** Of its first output; of a vertex that was looked at only as far as its key goes, that is where its record would be. */
function recordedKey({ outputs, hit, outcome }: VertexState): CacheKeyId | undefined {
  const known = hit !== undefined || outcome?.type === "ran" || outcome?.type === "cached";
  return known ? outputs[0]?.own[0] : undefined;
}

/** An output that was run has the newest record of its key, one that was found has the one that it was found by. */
function solvedOutputs(storage: CacheStorage, state: VertexState): SolvedOutput[] {
  return state.outputs.flatMap((output) => {
    const [key] = output.own;
    if (key === undefined || (state.hit === undefined && output.ref === undefined)) return [];
    const record = output.match?.record ?? storage.records(key)[0];
    if (record === undefined) return [];
    return [{ name: state.name, key, result: record.result, createdAt: record.createdAt }];
  });
}

function canceled(signal: AbortSignal): TsbuildError {
  const why = signal.aborted ? "the build was canceled" : "canceled because another step failed";
  return new TsbuildError("TSB_CANCELED", why, signal.aborted ? { cause: signal.reason } : {});
}

/** An op rejects with TsbuildErrors; anything else is a system error that nobody foresaw, or a bug, and keeps its cause. */
function asTsbuildError(error: unknown): TsbuildError {
  if (error instanceof TsbuildError) return error;
  const code = errnoCode(error);
  // ERR_…: Node itself refuses what it was asked for.
  if (code === undefined || code.startsWith("ERR_")) return internalError(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code !== "ENOSPC" && code !== "EDQUOT") return new TsbuildError("TSB_STORE", message, { cause: error });
  return new TsbuildError("TSB_DISK_FULL", message, {
    hint: "the state folder's file system is full: `tsbuild prune` removes what no image needs, --root moves it",
    cause: error,
  });
}

function internalError(error: unknown): TsbuildError {
  return new TsbuildError("TSB_INTERNAL", bugText(error), {
    hint: "this is a bug in tsbuild: --debug shows where; please report it",
    cause: error,
  });
}
