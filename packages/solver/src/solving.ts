import type { Vertex } from "@tsbuild/llb";
import type { JobLimit } from "./job-limit.ts";
import type { MemoryGate } from "./memory-gate.ts";
import type { Patience } from "./patience.ts";
import type { CacheRecord, CacheStorage, OpContext, ResultId, WorkLocks } from "./ports.ts";
import type { Reporter } from "./report.ts";
import type { Stage, VertexState } from "./vertex-state.ts";

/** Beyond the number of jobs: a step begins when there is memory for it. */
export interface MemoryLimit {
  /** May be shared with other solves. */
  readonly gate: MemoryGate;
  /** The most bytes that the vertex took when it last ran, if it ever did. */
  expected(vertex: Vertex): number | undefined;
}

/** One solve, as its transitions see it. */
export interface Solving {
  readonly storage: CacheStorage;
  readonly locks: WorkLocks;
  readonly limit: JobLimit;
  readonly memory: MemoryLimit | undefined;
  /** Aborted by the caller or by the first failure. */
  readonly signal: AbortSignal;
  readonly report: Reporter;
  /** Told of those that wait for equal work. */
  readonly patience: Patience;
  /** The record that a vertex is compared with when it had to run. */
  earlier(state: VertexState): CacheRecord | "first-build" | undefined;
  /** A result was recorded. */
  readonly onSaved: ((result: ResultId) => void) | undefined;
  /** Saves in the storage. The solve does not end before it is written, and fails when that does. */
  save(entry: Parameters<CacheStorage["save"]>[0]): void;
  /** Resolves when a vertex has come to a stage; starts what that takes, once. Rejects with whatever made it impossible, once that has stopped the solve. */
  need(state: VertexState, stage: Stage): Promise<void>;
  /**
   * The solve does not end before `work` has. For work that its stage may leave behind: of several things waited for at once the
   * first failure ends the stage, promptly, while the others still use refs.
   */
  watch<T>(work: Promise<T>): Promise<T>;
}

/** Why a stage did not come about: something else failed, or the caller gave up. The cause was reported where it arose. */
export class Stopped extends Error {
  constructor() {
    super("the solve was stopped");
    this.name = "Stopped";
  }
}

export function contextOf(solving: Solving, state: VertexState): OpContext {
  return {
    vertex: state.digest,
    signal: solving.signal,
    emit: solving.report.sinkFor(state),
    ignoreCache: state.ignored?.emptiesMounts === true,
    measured: (resources) => {
      state.resources = resources;
    },
  };
}
