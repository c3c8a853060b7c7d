import { assert, type CacheReason, monotonicMs } from "@tsbuild/base";
import { explainMiss } from "./explain.ts";
import { recordedFields, subjectOf } from "./miss-subject.ts";
import type { Ref } from "./ports.ts";
import { saveResult } from "./save.ts";
import { contextOf, type Solving } from "./solving.ts";
import { isCacheable } from "./vertex-lookup.ts";
import { advance, refOf, type VertexState } from "./vertex-state.ts";

/**
 * → queued → running → saving → complete: computes the result. What was computed is recorded even when the solve has been
 * stopped meanwhile: the work is not lost.
 */
export async function runVertex(solving: Solving, state: VertexState): Promise<void> {
  advance(state, "queued", "a job slot");
  if (state.op.cheap === true) await execute(solving, state);
  else
    await solving.limit((waited) => {
      state.waited = waited;
      return withMemory(solving, state);
    }, state.position);
}

async function withMemory(solving: Solving, state: VertexState): Promise<void> {
  const { memory, signal } = solving;
  if (memory === undefined) return execute(solving, state);
  state.waitsFor = "memory that other steps are expected to take";
  const leave = await memory.gate.enter(memory.expected(state.vertex) ?? 0, signal);
  // A failure is about to stop the solve: until it has, nobody gets the place.
  await execute(solving, state).then(leave, (error: unknown) => {
    setImmediate(leave);
    throw error;
  });
}

async function execute(solving: Solving, state: VertexState): Promise<void> {
  solving.signal.throwIfAborted();
  advance(state, "running", "its op");
  solving.report.started(state);
  const start = monotonicMs();
  // Beside the op, not after it: both read the inputs, which are held.
  const gathering = gather(solving, state);
  const refs = await runOp(solving, state, gathering);
  const durationMs = monotonicMs() - start;
  advance(state, "saving");
  takeRefs(state, refs);
  try {
    const { fields, reason: ask } = await gathering;
    const reason = ask();
    saveResult(solving, state, { refs, fields, durationMs });
    if (isCacheable(state)) for (const { id } of refs) if (id !== undefined) solving.onSaved?.(id);
    advance(state, "complete");
    solving.report.completed(state, reason);
  } finally {
    releaseUnwanted(state, refs);
  }
}

/** Does not end before the fields are gathered: they read the inputs. */
async function runOp(solving: Solving, state: VertexState, gathering: Gathering): Promise<readonly Ref[]> {
  try {
    return await state.op.run(state.inputs.map(refOf), contextOf(solving, state));
  } finally {
    await gathering;
  }
}

/** From here on the refs that are wanted belong to the state, which gives them up at the end of the solve. */
function takeRefs(state: VertexState, refs: readonly Ref[]): void {
  const complete = state.outputs.every((output) => refs[output.index] !== undefined);
  if (!complete) for (const ref of refs) ref.release();
  assert(complete, `${state.name} returned ${refs.length} outputs, fewer than its consumers use`);
  for (const output of state.outputs) output.ref = refs[output.index];
}

function releaseUnwanted(state: VertexState, refs: readonly Ref[]): void {
  const wanted = new Set(state.outputs.map((output) => output.index));
  for (const [i, ref] of refs.entries()) {
    if (!wanted.has(i)) ref.release();
  }
}

type Fields = Awaited<ReturnType<typeof recordedFields>>;
type Gathering = ReturnType<typeof gather>;

/** What a record tells of a vertex, and why it runs. */
async function gather(solving: Solving, state: VertexState) {
  const fields = await recordedFields(solving, state);
  return { fields, reason: soon(() => reasonFor(solving, state, fields)) };
}

/**
 * Worked out when this thread has nothing better to do, which is mostly while the op runs, or when it is asked for: after the op, others wait
 * for this thread.
 */
function soon<T>(make: () => T): () => T {
  let made: { readonly value: T } | { readonly error: unknown } | undefined;
  const work = (): typeof made => {
    try {
      return { value: make() };
    } catch (error) {
      return { error };
    }
  };
  const early = setImmediate(() => {
    made ??= work();
  });
  return () => {
    clearImmediate(early);
    made ??= work();
    if (made !== undefined && "error" in made) throw made.error;
    return made!.value;
  };
}

/** Undefined for a source read in place: reading it is no work that was redone. */
function reasonFor(solving: Solving, state: VertexState, fields: Fields): CacheReason | undefined {
  if (!isCacheable(state)) return undefined;
  return explainMiss(solving.earlier(state), subjectOf(solving, state, fields));
}
