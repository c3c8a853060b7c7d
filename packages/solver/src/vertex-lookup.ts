import { contentKeyId, derivedKey, rootKey } from "./keys.ts";
import {
  type Candidate,
  candidates,
  type Lookup,
  type Match,
  newestMatch,
  reached,
  resolve,
} from "./lookup.ts";
import type { CacheKeyId, CacheStorage, ResultId } from "./ports.ts";
import {
  countsByContent,
  type InputState,
  mapOf,
  type OutputState,
  opKeyOf,
  type VertexState,
} from "./vertex-state.ts";

/** Other keys of one result that children try: enough for real graphs, and a bound where one result (scratch) has thousands. */
const MAX_OTHER_KEYS = 16;

/** What is known of a vertex now, as a look-up of one of its outputs takes it. */
export function lookupOf(state: VertexState, output: number): Lookup {
  return lookupBy(state, output, keysOfInput);
}

function lookupBy(
  state: VertexState,
  output: number,
  keysOf: (input: InputState) => readonly CacheKeyId[],
): Lookup {
  const map = mapOf(state);
  return {
    op: opKeyOf(state),
    output,
    inputs: state.inputs.map((input, i) => ({
      selector: map.inputs[i]?.selector ?? "",
      keys: keysOf(input),
    })),
  };
}

/**
 * Once the content of an input is known it alone decides: a definition may have been run again since, and a key reached by
 * definition may then hold what was computed from other content.
 */
function keysOfInput(input: InputState): readonly CacheKeyId[] {
  return input.content === undefined ? input.output.visible : [contentKeyId(input.content.digest)];
}

function ownKeysOfInput(input: InputState): readonly CacheKeyId[] {
  return input.content === undefined ? input.output.own : keysOfInput(input);
}

/** Whether anything may be found for, or recorded of, a vertex: not for what no key can say (`contentOnly`). */
export function isCacheable(state: VertexState): boolean {
  return mapOf(state).contentOnly !== true;
}

/**
 * Looks up every wanted output. True when all have a record: a vertex is taken from the cache as a whole, so that its
 * outputs stem from one run wherever possible, or run as a whole.
 */
export function probe(storage: CacheStorage, state: VertexState): boolean {
  if (state.ignored || !isCacheable(state)) return false;
  for (const output of state.outputs) {
    const { found, match } = look(storage, state, output);
    output.found = found;
    output.match = match;
    output.foreign = foreignOf(storage, found);
    // The key of a root is known before it was ever run; any other key was linked when its result was saved.
    if (output.match === undefined && found.length > 0 && state.inputs.length > 0) state.evicted = true;
  }
  return state.outputs.every((output) => output.match !== undefined) && !expire(state);
}

interface Look {
  readonly found: readonly Candidate[];
  readonly match: Match | undefined;
}

/**
 * By the own keys of the inputs first: nearly all that is found is found by them, and a common result (scratch) has many others. Not where it
 * counts which of several records is the newest, nor where keys of imported caches are to be met.
 */
function look(storage: CacheStorage, state: VertexState, { index }: OutputState): Look {
  const isEnough = storage.isForeign === undefined && state.maxAge === undefined;
  if (isEnough && state.inputs.some(hasOtherKeys)) {
    const own = lookBy(storage, state, lookupBy(state, index, ownKeysOfInput));
    if (own.match !== undefined) return own;
  }
  return lookBy(storage, state, lookupOf(state, index));
}

function hasOtherKeys({ content, output }: InputState): boolean {
  return content === undefined && output.visible.length > output.own.length;
}

function lookBy(storage: CacheStorage, { gone }: VertexState, lookup: Lookup): Look {
  const found = candidates(storage, lookup);
  return { found, match: newestMatch(storage, found, gone) };
}

/**
 * True when what was found is too old: from now on the vertex is as one whose records do not count, so that what was computed from its old
 * result is not found by way of it either.
 */
function expire(state: VertexState): boolean {
  const { maxAge } = state;
  const oldest = Math.min(...state.outputs.map(({ match }) => match?.record.createdAt ?? 0));
  if (maxAge === undefined || oldest >= Date.now() - maxAge.ms) return false;
  state.ignored = { text: maxAge.text, emptiesMounts: false };
  for (const output of state.outputs) {
    output.match = undefined;
    output.own = [];
    output.visible = [];
  }
  return true;
}

function foreignOf(storage: CacheStorage, found: readonly Candidate[]): readonly CacheKeyId[] | undefined {
  if (storage.isForeign === undefined) return undefined;
  return found.map(({ key }) => key).filter((key) => storage.isForeign?.(key) === true);
}

/** Takes the keys of what was found. */
export function adopt(storage: CacheStorage, state: VertexState): void {
  for (const output of state.outputs) {
    if (output.match !== undefined) setKeys(storage, output, output.match);
  }
}

function setKeys(storage: CacheStorage, output: OutputState, match: Match): void {
  setOwnKey(storage, output, { key: match.candidate.key, result: match.record.result });
  const foreign = (output.foreign ?? []).filter((key) => !output.visible.includes(key));
  if (foreign.length > 0) output.visible = [...output.visible, ...foreign];
}

/** Gives an output its one key, and for children the other keys of the same result. */
export function setOwnKey(
  storage: CacheStorage,
  output: OutputState,
  { key, result }: { readonly key: CacheKeyId; readonly result: ResultId | undefined },
): void {
  const known = result === undefined ? [] : storage.keysOf(result, MAX_OTHER_KEYS + 1);
  const others = known.filter((other) => other !== key);
  output.own = [key];
  output.visible = [key, ...others.slice(0, MAX_OTHER_KEYS)];
}

/**
 * After a probe: keys of outputs that have no record, so that a child whose record is still there can be found all the same. As long as
 * an input that counts by content was not looked at, only linked keys are known: a derived one needs the content.
 */
export function guessKeys(storage: CacheStorage, state: VertexState): void {
  if (state.ignored || !isCacheable(state)) return;
  for (const output of state.outputs) {
    if (output.match !== undefined) {
      setKeys(storage, output, output.match);
      continue;
    }
    output.own = guessesOf(state, output);
    output.visible = output.own;
  }
}

function guessesOf(state: VertexState, { found = [], index }: OutputState): readonly CacheKeyId[] {
  if (found.length > 0) return [...new Set(found.map(({ key }) => key))];
  const derived = lacksContent(state) ? undefined : deriveKey(state, lookupOf(state, index));
  return derived === undefined ? [] : [derived];
}

function lacksContent(state: VertexState): boolean {
  return state.inputs.some((input, i) => input.content === undefined && countsByContent(state, i));
}

/** The key that an output gets when no link leads to one; undefined when an input has no identity at all. */
export function deriveKey(state: VertexState, lookup: Lookup): CacheKeyId | undefined {
  if (!isCacheable(state)) return undefined;
  if (lookup.inputs.length === 0) return rootKey(lookup.op, lookup.output);
  const inputs: { selector: string; key: CacheKeyId }[] = [];
  for (const { selector, keys } of lookup.inputs) {
    const [key] = keys;
    if (key === undefined) return undefined;
    inputs.push({ selector, key });
  }
  return derivedKey(lookup.op, lookup.output, inputs);
}

/**
 * Whether a record could be reached from the inputs that are known, whatever the others turn out to be: then it is worth
 * completing the others first and looking again, before anything else is started.
 */
export function mayStillHit(storage: CacheStorage, state: VertexState): boolean {
  if (state.outlook !== "blind" || state.ignored) return false;
  const known = [...state.inputs.keys()].filter((i) => isKnown(state, i));
  if (known.length === 0 || known.length === state.inputs.length) return false;
  return state.outputs.every((output) => {
    const lookup = lookupOf(state, output.index);
    const found = reached(storage, lookup, known).map((linked) => resolve(storage, linked));
    return newestMatch(storage, found, state.gone) !== undefined;
  });
}

/** Whether there is anything to look up an input by: its content where that counts, else its keys. */
export function isKnown(state: VertexState, index: number): boolean {
  const input = state.inputs[index]!;
  return countsByContent(state, index) ? input.content !== undefined : input.output.visible.length > 0;
}
