import { linksTo, missingLinks } from "./links.ts";
import { judge, type Outlook } from "./outlook.ts";
import { contextOf, type Solving } from "./solving.ts";
import { adopt, guessKeys, isCacheable, lookupOf, probe } from "./vertex-lookup.ts";
import { advance, countsByContent, type InputState, mapOf, refOf, type VertexState } from "./vertex-state.ts";

/**
 * defined → settling → settled: after a miss by definition, finds out as much as can be known without running the vertex
 * itself (V011). Inputs with a content function are completed and digested; of the others only their own keys are wanted.
 *
 * Example: local context → COPY → RUN. The context has no key, so neither COPY nor RUN is found by definition. Settling
 * RUN settles COPY; that completes the context (reads it in place) and finds COPY by its content; RUN is then
 * found by COPY's key. COPY's result is never loaded.
 */
export function settle(solving: Solving, state: VertexState): Promise<void> | undefined {
  return state.phase === "defined" ? settleDefined(solving, state) : settleLater(solving, state);
}

async function settleLater(solving: Solving, state: VertexState): Promise<void> {
  await solving.need(state, "defined");
  await settleDefined(solving, state);
}

/** At once, unless inputs are to be waited for. */
function settleDefined(solving: Solving, state: VertexState): Promise<void> | undefined {
  advance(state, "settling", "keys and content of its inputs");
  if (state.hit === undefined) {
    state.outlook ??= outlookOf(solving, state);
    if (state.outlook === undefined) return findByContent(solving, state);
  }
  advance(state, "settled");
  return undefined;
}

function outlookOf({ storage }: Solving, state: VertexState): Outlook | undefined {
  if (state.ignored) return "blind";
  return isCacheable(state) ? judge(storage, state) : "hopeless";
}

async function findByContent(solving: Solving, state: VertexState): Promise<void> {
  // In a turn of its own: a chain of thousands is no stack of thousands.
  await undefined;
  await lookAtInputs(solving, state);
  advance(state, "settled");
}

async function lookAtInputs(solving: Solving, state: VertexState): Promise<void> {
  const before = state.inputs.map(knownBy);
  await settleInputs(solving, state);
  const isNews = state.inputs.some((input, i) => knownBy(input) !== before[i]);
  if (state.outlook !== undefined || !isNews) return;
  if (probe(solving.storage, state)) adoptContentHit(solving, state);
  else guessKeys(solving.storage, state);
}

/** Changes with every key that is learnt of an input. */
function knownBy(input: InputState): unknown {
  return input.content ?? input.output.visible;
}

/**
 * Settles the inputs side by side, and stops waiting as soon as the outlook is clear: the vertex will have to run, and what it
 * needs for that must not wait for a slow input. What was begun goes on; it is needed then as well.
 */
async function settleInputs(solving: Solving, state: VertexState): Promise<void> {
  const judged = Promise.withResolvers<void>();
  const look = () => {
    state.outlook ??= judge(solving.storage, state);
    if (state.outlook !== undefined) judged.resolve();
  };
  const settling = state.inputs.map((_, i) => settleInput(solving, state, i).then(look));
  await Promise.race([Promise.all(settling), judged.promise]);
}

function settleInput(solving: Solving, state: VertexState, index: number): Promise<void> {
  const input = state.inputs[index]!;
  return countsByContent(state, index)
    ? digestInput(solving, state, index)
    : solving.need(input.state, "settled");
}

/** Completes an input and digests what the vertex uses of it, if that is what counts. Once per input. The solve does not end before. */
export function digestInput(solving: Solving, state: VertexState, index: number): Promise<void> {
  const input = state.inputs[index]!;
  if (!countsByContent(state, index)) return solving.need(input.state, "complete");
  input.digesting ??= solving.watch(digest(solving, state, index));
  return input.digesting;
}

async function digest(solving: Solving, state: VertexState, index: number): Promise<void> {
  const input = state.inputs[index]!;
  const content = mapOf(state).inputs[index]?.content;
  await solving.need(input.state, "complete");
  if (content === undefined) return;
  state.waitsFor = `the content of input ${index}: ${input.state.name}`;
  solving.signal.throwIfAborted();
  const willRun = state.outlook === "hopeless" || state.ignored !== undefined;
  input.content = await content(refOf(input), { ...contextOf(solving, state), willRun });
}

/** Takes what a look-up after the first one found, and remembers the way to it, so that next time the definition is enough. */
export function adoptContentHit(solving: Solving, state: VertexState): void {
  const { storage } = solving;
  state.hit = hasLookedAtContent(state) ? "content" : "definition";
  adopt(storage, state);
  const links = state.outputs.flatMap((output) =>
    output.match === undefined
      ? []
      : linksTo(state, lookupOf(state, output.index), output.match.candidate.linked),
  );
  const missing = missingLinks(storage, links);
  if (missing.length > 0) solving.save({ links: missing, records: [] });
}

/** By itself, or where its inputs came from. */
function hasLookedAtContent(state: VertexState): boolean {
  return state.inputs.some((input) => input.content !== undefined || input.state.hit === "content");
}
