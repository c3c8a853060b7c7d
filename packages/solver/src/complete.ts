import { assert } from "@tsbuild/base";
import { workName } from "./keys.ts";
import { load } from "./load.ts";
import { runVertex } from "./run.ts";
import { adoptContentHit, digestInput } from "./settle.ts";
import type { Solving } from "./solving.ts";
import { isCacheable, isKnown, mayStillHit, probe } from "./vertex-lookup.ts";
import { advance, countsByContent, mapOf, opKeyOf, type VertexState } from "./vertex-state.ts";

/**
 * settled → … → complete: gets the result, from the cache if it can be loaded, else by running the vertex. The way is drawn at
 * `Phase`.
 */
export async function complete(solving: Solving, state: VertexState): Promise<void> {
  await solving.need(state, "settled");
  if (state.hit !== undefined && ((await load(solving, state)) || (await findAndLoad(solving, state))))
    return;
  if (mayStillHit(solving.storage, state) && (await hitByFirstInputs(solving, state))) return;
  await joinInputs(solving, state, [...state.inputs.keys()]);
  const name = workNameOf(state);
  if (name === undefined) await runVertex(solving, state);
  else await runLocked(solving, state, name);
}

/** Completes inputs, side by side. */
async function joinInputs(solving: Solving, state: VertexState, which: readonly number[]): Promise<void> {
  advance(state, "joining", "its inputs");
  const missing = which.filter((i) => !isInputComplete(state, i));
  const begun = missing.map((i) => digestInput(solving, state, i));
  // A failure to digest is this vertex's own, to be told at once. That of an input ends the others by itself: they are waited for in turn.
  if (missing.some((i) => countsByContent(state, i))) await Promise.all(begun);
  else for (const [at, i] of missing.entries()) if (!isInputComplete(state, i)) await begun[at];
}

function isInputComplete(state: VertexState, index: number): boolean {
  const input = state.inputs[index]!;
  return input.state.phase === "complete" && (input.content !== undefined || !countsByContent(state, index));
}

/**
 * A record is in reach of those inputs that are known, and the keys of the others depend on their results (they are ignored by
 * --no-cache). These go first: with them the vertex may hit, and the rest need not run.
 *
 * Example: sum(a, b) was built; a is ignored now, b's result was evicted. When a comes to the same result as before, the
 * sum is found again, and b is left alone.
 */
async function hitByFirstInputs(solving: Solving, state: VertexState): Promise<boolean> {
  const unknown = [...state.inputs.keys()].filter((i) => !isKnown(state, i));
  await joinInputs(solving, state, unknown);
  return findAndLoad(solving, state);
}

/**
 * Looks again: an input that was completed may have more keys than before, and while a lock was waited for somebody else may have
 * done the work. Stops at the first result that is there.
 */
async function findAndLoad(solving: Solving, state: VertexState): Promise<boolean> {
  while (probe(solving.storage, state)) {
    adoptContentHit(solving, state);
    if (await load(solving, state)) return true;
  }
  return false;
}

/** The lock of equal work. Who holds it cannot be told: it may be a step of this build that looks different. */
async function acquireWork(
  { locks, patience, signal }: Solving,
  state: VertexState,
  name: string,
): Promise<{ release(): void }> {
  patience.begin(state);
  try {
    return await locks.acquire(name, signal);
  } finally {
    patience.end(state);
  }
}

/** Under the lock nobody else does the same work, in this process or another (V024). */
async function runLocked(solving: Solving, state: VertexState, name: string): Promise<void> {
  assertInputsComplete(state);
  advance(state, "locking", `whoever does the same work now (lock ${name.slice(0, 19)})`);
  const lock = await acquireWork(solving, state, name);
  state.holdsLock = true;
  try {
    if (!(await findAndLoad(solving, state))) await runVertex(solving, state);
  } finally {
    releaseWhenSeen(solving, state, lock);
  }
}

/** Whoever gets the lock next must find the record; children of this vertex need not wait for that. */
function releaseWhenSeen(solving: Solving, state: VertexState, lock: { release(): void }): void {
  const release = () => {
    state.holdsLock = false;
    lock.release();
  };
  const flushed = solving.storage.flushed?.();
  if (flushed === undefined) release();
  else void solving.watch(flushed.then(release, release));
}

/** Whoever holds a lock waits for no vertex: that is why no two solves can wait for each other. */
function assertInputsComplete(state: VertexState): void {
  assert(!state.holdsLock, `${state.name} takes a second lock`);
  for (const input of state.inputs) {
    assert(
      input.output.ref !== undefined,
      `${state.name} takes its lock before ${input.state.name} is complete`,
    );
  }
}

/** Undefined where no equal work can be told: sources read in place, and what is computed from them as a whole. */
function workNameOf(state: VertexState): string | undefined {
  if (!isCacheable(state)) return undefined;
  const map = mapOf(state);
  const inputs: { selector: string; identity: string }[] = [];
  for (const [i, input] of state.inputs.entries()) {
    const identity = input.content?.digest ?? input.output.ref?.id;
    if (identity === undefined) return undefined;
    inputs.push({ selector: map.inputs[i]?.selector ?? "", identity });
  }
  return workName(opKeyOf(state), inputs);
}
