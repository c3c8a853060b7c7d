import type { CacheReason, VertexDigest } from "@tsbuild/base";
import type { Graph, Vertex } from "@tsbuild/llb";
import { earlierRecord } from "./earlier.ts";
import { explainMiss } from "./explain.ts";
import { makeStates } from "./graph-states.ts";
import { opKey } from "./keys.ts";
import { recordedFields, subjectOf } from "./miss-subject.ts";
import type { CacheRecord, CacheStorage, OpContext, Ref, VertexOp } from "./ports.ts";
import type { SolveRequest } from "./solve.ts";
import { adopt, guessKeys, isCacheable, isKnown, probe } from "./vertex-lookup.ts";
import { countsByContent, type InputState, mapOf, type VertexState } from "./vertex-state.ts";

export interface PredictRequest
  extends Pick<SolveRequest, "others" | "ignoreCache" | "maxAge" | "earlier" | "storage" | "signal"> {
  readonly graph: Graph;
  resolveOp(vertex: Vertex): VertexOp;
}

/** What a build would do with a vertex, as far as it can be known without running one. */
export interface Prediction {
  readonly vertex: VertexDigest;
  readonly name: string;
  /**
   * `read`: in place, at no cost worth telling. `unknown`: decided by the content of what another vertex makes, which is not there yet.
   */
  readonly verdict: "cached" | "runs" | "unknown" | "read";
  /** Of one that runs. */
  readonly reason?: CacheReason | undefined;
  /** Of one that is unknown: the vertices that decide. */
  readonly dependsOn?: readonly string[] | undefined;
  /** What it is taken from, or was compared with: tells how long it took, and how large it became. */
  readonly record?: CacheRecord | undefined;
}

/** Predicts what solving a graph would find and run (W027). Runs nothing but sources that are read in place, and saves nothing. */
export async function predict(request: PredictRequest): Promise<readonly Prediction[]> {
  const predictor = new Predictor(request);
  try {
    return await predictor.predictAll();
  } finally {
    predictor.release();
  }
}

class Predictor {
  readonly #request: PredictRequest;
  readonly #states: readonly VertexState[];
  readonly #predictions = new Map<VertexState, Prediction>();
  readonly #refs = new Map<VertexState, Ref>();

  constructor(request: PredictRequest) {
    this.#request = request;
    this.#states = makeStates({
      graph: request.graph,
      others: request.others,
      resolveOp: (vertex) => request.resolveOp(vertex),
      isIgnored: (vertex) => request.ignoreCache?.(vertex),
      maxAge: (vertex) => request.maxAge?.(vertex),
    });
  }

  get #storage(): CacheStorage {
    return this.#request.storage;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  earlier(state: VertexState): CacheRecord | "first-build" | undefined {
    return earlierRecord(this.#request, state);
  }

  /** Inputs first, one after the other: what takes time are files to hash, and they are hashed in parallel anyway. */
  async predictAll(): Promise<readonly Prediction[]> {
    for (const state of this.#states) this.#predictions.set(state, await this.#predict(state));
    return [...this.#predictions.values()];
  }

  release(): void {
    for (const ref of this.#refs.values()) ref.release();
  }

  async #predict(state: VertexState): Promise<Prediction> {
    this.#request.signal.throwIfAborted();
    const context = this.#contextOf(state);
    state.cacheMap = await state.op.cacheMap(context);
    state.opKey = opKey(state.cacheMap.digest, state.inputs.length);
    const about = { vertex: state.digest, name: state.name };
    if (!isCacheable(state) && state.inputs.length === 0) return { ...about, verdict: "read" };
    if (probe(this.#storage, state)) return this.#found(state);
    guessKeys(this.#storage, state);
    const blockers = await this.#digestInputs(state, context);
    if (probe(this.#storage, state)) return this.#found(state);
    if (state.ignored === undefined && blockers.length > 0)
      return { ...about, verdict: "unknown", dependsOn: blockers };
    guessKeys(this.#storage, state);
    return this.#runs(state);
  }

  #found(state: VertexState): Prediction {
    state.hit = "definition";
    adopt(this.#storage, state);
    state.outcome = { type: "cached", by: "definition" };
    const record = state.outputs[0]?.match?.record;
    return { vertex: state.digest, name: state.name, verdict: "cached", record };
  }

  async #runs(state: VertexState): Promise<Prediction> {
    const fields = await recordedFields(this, state);
    const earlier = this.earlier(state);
    const reason = explainMiss(earlier, subjectOf(this, state, fields));
    state.outcome = { type: "ran", reason };
    const record = typeof earlier === "object" ? earlier : undefined;
    return { vertex: state.digest, name: state.name, verdict: "runs", reason, record };
  }

  /** Digests what counts by content, where it is there. Returns the inputs that are not, and of which so much depends. */
  async #digestInputs(state: VertexState, context: OpContext): Promise<string[]> {
    const blockers: string[] = [];
    for (const [i, input] of state.inputs.entries()) {
      const content = mapOf(state).inputs[i]?.content;
      const ref = content === undefined ? undefined : await this.#refOf(input);
      if (content !== undefined && ref !== undefined) input.content = await content(ref, context);
      const undecided = this.#predictions.get(input.state)?.verdict === "unknown";
      if (countsByContent(state, i) ? !isKnown(state, i) : undecided) blockers.push(input.state.name);
    }
    return blockers;
  }

  /** What an input comes to, where it can be had without running it. */
  async #refOf({ state, output }: InputState): Promise<Ref | undefined> {
    const known = this.#refs.get(state);
    if (known !== undefined) return known;
    const verdict = this.#predictions.get(state)?.verdict;
    const ref =
      verdict === "read"
        ? (await state.op.run([], this.#contextOf(state)))[output.index]
        : verdict === "cached" && output.match !== undefined
          ? await this.#storage.load(output.match.record, this.#contextOf(state))
          : undefined;
    if (ref !== undefined) this.#refs.set(state, ref);
    return ref;
  }

  #contextOf(state: VertexState): OpContext {
    const { signal } = this.#request;
    // What an op tells of looking things up is of no interest to a prediction.
    return { vertex: state.digest, signal, ignoreCache: false, emit: () => undefined };
  }
}
