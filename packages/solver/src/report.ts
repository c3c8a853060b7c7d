import {
  type BuildEvent,
  type CacheReason,
  type EventSink,
  epochMs,
  type TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import type { VertexOutcome } from "./ports.ts";
import type { VertexState } from "./vertex-state.ts";

/**
 * Tells what happens, in the order that `BuildEvent` promises: a vertex is opened once, then closed once.
 * One exception: a vertex shown as cached because its child hit, whose result turns out to be gone when somebody else needs it,
 * is opened again.
 */
export class Reporter {
  readonly #emit: EventSink;
  readonly #open = new Set<VertexState>();
  readonly #closed = new Set<VertexState>();

  constructor(emit: EventSink) {
    this.#emit = emit;
  }

  graph(states: readonly VertexState[]): void {
    this.#emit({ type: "graph", at: epochMs(), vertices: states.map(({ info }) => info) });
  }

  /** For the events of an op. The first one opens its vertex; what comes after its end is dropped. */
  sinkFor(state: VertexState): EventSink {
    return (event) => {
      if (!concerns(event, state.digest)) return this.#emit(event);
      if (!this.#open.has(state) && this.#closed.has(state)) return;
      this.started(state);
      this.#emit(event);
    };
  }

  started(state: VertexState): void {
    if (this.#open.has(state)) return;
    this.#open.add(state);
    this.#emit({
      type: "vertex-started",
      at: epochMs(),
      vertex: state.info,
      ...(state.waited === true ? { waited: true } : {}),
    });
  }

  /** Says in a vertex's log what becomes of it. */
  note(state: VertexState, text: string): void {
    const data = new TextEncoder().encode(`tsbuild: ${text}\n`);
    this.sinkFor(state)({ type: "log", at: epochMs(), vertex: state.digest, stream: 2, data });
  }

  /** A vertex was taken from the cache; so were its ancestors, as far as they are known, though nobody looked at them. */
  cached(state: VertexState): void {
    for (const ancestor of this.#skippedAncestors(state)) this.#closeCached(ancestor);
    if (!this.#closed.has(state)) this.#closeCached(state);
  }

  completed(state: VertexState, reason: CacheReason | undefined): void {
    if (reason !== undefined) state.outcome = { type: "ran", reason };
    this.#close(state, {
      type: "vertex-completed",
      at: epochMs(),
      vertex: state.digest,
      reason,
      ...(state.resources === undefined ? {} : { resources: state.resources }),
    });
  }

  failed(state: VertexState, error: TsbuildError): void {
    state.outcome = { type: "failed", error };
    this.started(state);
    this.#close(state, {
      type: "vertex-failed",
      at: epochMs(),
      vertex: state.digest,
      error,
      canceled: false,
    });
  }

  /** Says so only of a vertex that had been seen to start. */
  canceled(state: VertexState, error: TsbuildError): void {
    if (!this.#open.has(state)) return;
    state.outcome = { type: "canceled" };
    this.#close(state, { type: "vertex-failed", at: epochMs(), vertex: state.digest, error, canceled: true });
  }

  /** Closes what an op opened (by telling how it resolves a name) and nobody then needed. */
  closeRest(): void {
    for (const state of this.#open) {
      this.#close(state, { type: "vertex-completed", at: epochMs(), vertex: state.digest });
    }
  }

  get open(): readonly VertexState[] {
    return [...this.#open];
  }

  #closeCached(state: VertexState): void {
    const outcome: VertexOutcome = { type: "cached", by: state.hit ?? "definition" };
    state.outcome = outcome;
    this.started(state);
    const origin = state.outputs.find(({ match }) => match !== undefined)?.match?.record.origin;
    this.#close(state, {
      type: "vertex-cached",
      at: epochMs(),
      vertex: state.digest,
      ...(origin === undefined ? {} : { origin }),
    });
  }

  #close(state: VertexState, event: BuildEvent): void {
    this.#open.delete(state);
    this.#closed.add(state);
    this.#emit(event);
  }

  /** In the graph's order. What is closed has had its ancestors told already. */
  #skippedAncestors(state: VertexState): readonly VertexState[] {
    const found = new Set<VertexState>();
    const pending = [state];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const { state: input } of next.inputs) {
        if (found.has(input) || this.#closed.has(input)) continue;
        found.add(input);
        pending.push(input);
      }
    }
    return [...found].filter(isSkipped).sort((a, b) => a.position - b.position);
  }
}

/** Known to be cached, and asked for by nobody. A source need not have a record: its key is all that a hit needs. */
function isSkipped(state: VertexState): boolean {
  if (state.stages.complete !== undefined) return false;
  const isSource = state.inputs.length === 0;
  return state.hit !== undefined || (isSource && state.outputs.every((output) => output.own.length > 0));
}

function concerns(event: BuildEvent, digest: VertexDigest): boolean {
  return "vertex" in event && event.vertex === digest;
}
