import { assert, type Digest, type VertexDigest, type VertexInfo, type VertexResources } from "@tsbuild/base";
import type { Vertex } from "@tsbuild/llb";
import type { Candidate, Match } from "./lookup.ts";
import type { Outlook } from "./outlook.ts";
import type { CacheKeyId, CacheMap, ContentKey, Ref, ResultId, VertexOp, VertexOutcome } from "./ports.ts";

/**
 * Where a vertex is. It moves by three stages, each started at most once and only when somebody needs it (V022):
 *
 *     need "defined"          need "settled"             need "complete"
 *
 *     new                     defined                    settled
 *      │                       │                          │ hit                 │ miss
 *      ▼                       ▼                          ▼                     ▼
 *     defining ──▶ defined    settling ──▶ settled       loading ──gone────▶ joining ◀─┐ waits for inputs
 *     cacheMap,               inputs with a content       │    ▲               │       │
 *     keys by definition,     function are completed,     │    ├──hit──────────┤       │ (some inputs first,
 *     look-up; nothing        the others settled;         │    │               ▼       │  then a look-up)
 *     is run                  look-up by content          │    ├──hit──────  locking   │
 *                                                         │    │               │ holds the work lock from here
 *                                                         │    └──gone──▶      ▼
 *                                                         │                  queued     waits for a job slot
 *                                                         │                    ▼
 *                                                         │                  running
 *                                                         │                    ▼
 *                                                         │                  saving     keys, links, records
 *                                                         ▼                    ▼
 *                                                        complete ◀────────────┘
 *
 * Settling ends early where the outlook is clear (see `Outlook`): the inputs of a vertex that will have to run start at once.
 *
 * Any phase may end in `stopped`: the vertex failed, or the solve ended before it.
 *
 * Who waits for whom: stages wait for stages of inputs only (never of children), and the graph has no cycle; a lock is taken
 * when every input is complete, and its holder waits only for a job slot and its own op, which wait for no lock.
 * So every chain of waiting ends at something that runs.
 */
export type Phase =
  | "new"
  | "defining"
  | "defined"
  | "settling"
  | "settled"
  | "loading"
  | "joining"
  | "locking"
  | "queued"
  | "running"
  | "saving"
  | "complete"
  | "stopped";

const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  new: ["defining"],
  defining: ["defined"],
  defined: ["settling"],
  settling: ["settled"],
  settled: ["loading", "joining"],
  loading: ["complete", "loading", "joining", "locking", "queued"],
  joining: ["loading", "joining", "locking", "queued"],
  locking: ["loading", "queued"],
  queued: ["running"],
  running: ["saving"],
  saving: ["complete"],
  complete: [],
  stopped: [],
};

export type Stage = "defined" | "settled" | "complete";

/** Why the records of a vertex do not count. */
export interface Ignored {
  /** In the user's words: `--no-cache-step make`. */
  readonly text: string;
  /** A RUN starts with emptied cache mounts (D090). */
  readonly emptiesMounts: boolean;
}

export interface MaxAge {
  readonly ms: number;
  /** Why the vertex runs when all there is, is older: `older than 24h`. */
  readonly text: string;
}

/** An output that somebody in the graph wants. */
export interface OutputState {
  readonly index: number;
  /** Keys under which this result is, or will be, stored. Empty: nothing says by definition what it is. */
  own: readonly CacheKeyId[];
  /** What children look up by: `own`, then other keys of the same result. */
  visible: readonly CacheKeyId[];
  /** What the last look-up came to, with a record or without. */
  found?: readonly Candidate[] | undefined;
  /** Keys of imported caches that the look-up came to: what hangs on them is found whichever record this output is taken from. */
  foreign?: readonly CacheKeyId[] | undefined;
  /** The record that it is taken from, as long as it is not taken anew. */
  match?: Match | undefined;
  /** Held from completion to the end of the solve. */
  ref?: Ref | undefined;
}

export interface VertexState {
  readonly vertex: Vertex;
  readonly digest: VertexDigest;
  readonly name: string;
  /** As events tell of it. */
  readonly info: VertexInfo;
  /** Place in the graph's order: inputs come before. */
  readonly position: number;
  readonly inputs: readonly InputState[];
  /** By output number, ascending. */
  readonly outputs: readonly OutputState[];
  readonly op: VertexOp;
  /** Its records are not looked at (V020). Set later as well, when those that there are turn out to be too old. */
  ignored: Ignored | undefined;
  readonly maxAge: MaxAge | undefined;
  phase: Phase;
  /** What is waited for now, in words. */
  waitsFor: string;
  readonly stages: Record<Stage, Promise<void> | undefined>;
  cacheMap?: CacheMap | undefined;
  /** The op in links and keys, from `defining` on. */
  opKey?: Digest | undefined;
  /** How all its outputs were found, once they were. */
  hit?: "definition" | "content" | undefined;
  /** Set while settling, where the inputs told enough. */
  outlook?: Outlook | undefined;
  /** Results that a record names but that could not be loaded. */
  gone: ReadonlySet<ResultId>;
  /** Links led to a key without a record: the result was there once. */
  evicted: boolean;
  outcome?: VertexOutcome | undefined;
  /** All job slots were taken when it was ready to run. */
  waited?: boolean | undefined;
  /** What running it cost, if its op measured that. */
  resources?: VertexResources | undefined;
  holdsLock: boolean;
}

export interface InputState {
  readonly state: VertexState;
  readonly output: OutputState;
  /** Set once the content was digested. */
  content?: ContentKey | undefined;
  digesting?: Promise<void> | undefined;
}

/** Moves to another phase; an arrow that the diagram does not have is a bug. */
export function advance(state: VertexState, phase: Phase, waitsFor = ""): void {
  assert(
    phase === "stopped" || NEXT[state.phase].includes(phase),
    `vertex ${state.name} goes from ${state.phase} to ${phase}`,
  );
  state.phase = phase;
  state.waitsFor = waitsFor;
}

/** The cache map, which every phase after `defining` has. */
export function mapOf(state: VertexState): CacheMap {
  assert(state.cacheMap !== undefined, `${state.name} has no cache map in phase ${state.phase}`);
  return state.cacheMap;
}

export function opKeyOf(state: VertexState): Digest {
  assert(state.opKey !== undefined, `${state.name} has no key in phase ${state.phase}`);
  return state.opKey;
}

/** The result of an input of a vertex whose inputs are complete. */
export function refOf(input: InputState): Ref {
  assert(input.output.ref !== undefined, `input ${input.state.name} is used in phase ${input.state.phase}`);
  return input.output.ref;
}

/** Whether the content function of an input decides. */
export function countsByContent(state: VertexState, input: number): boolean {
  return mapOf(state).inputs[input]?.content !== undefined;
}
