import { uniqueName } from "@tsbuild/base";
import { GENERATION_LINK, generationKey } from "./keys.ts";
import { type LinkEntry, linksTo } from "./links.ts";
import { type Candidate, candidates, type Lookup } from "./lookup.ts";
import type { CacheRecord, CacheStorage, KeyField, Ref, ResultId } from "./ports.ts";
import type { Solving } from "./solving.ts";
import { deriveKey, lookupOf, setOwnKey } from "./vertex-lookup.ts";
import type { VertexState } from "./vertex-state.ts";

export interface RunResult {
  /** By output number. */
  readonly refs: readonly Ref[];
  readonly fields: readonly KeyField[];
  readonly durationMs: number;
}

/** Records every output of a vertex that was run, also those that nobody here asked for, and gives the wanted ones their keys. */
export function saveResult(solving: Solving, state: VertexState, result: RunResult): void {
  const { storage } = solving;
  const places = result.refs.map((ref, index) => placeOf(storage, state, { index, ref }));
  const links = places.flatMap((place) => place?.links ?? []);
  const records = places.flatMap((place, index) => {
    const id = result.refs[index]?.id;
    return place === undefined || id === undefined ? [] : [recordOf(state, result, { place, id })];
  });
  if (links.length + records.length > 0) solving.save({ links, records });
  for (const output of state.outputs) {
    const place = places[output.index];
    output.match = undefined;
    output.found = undefined;
    if (place !== undefined) {
      setOwnKey(storage, output, { key: place.candidate.key, result: result.refs[output.index]?.id });
    }
  }
}

function recordOf(
  state: VertexState,
  { fields, durationMs }: RunResult,
  { place, id }: { readonly place: Place; readonly id: ResultId },
): CacheRecord {
  return {
    key: place.candidate.key,
    result: id,
    createdAt: Date.now(),
    description: state.name,
    fields,
    durationMs: Math.round(durationMs),
  };
}

/** Under which key a result goes, and the links that lead there. */
interface Place {
  readonly candidate: Candidate;
  readonly links: readonly LinkEntry[];
}

interface Made {
  readonly index: number;
  readonly ref: Ref;
}

/**
 * A key that the inputs lead to already is used again, so that what is linked to it stays in reach after its own result was
 * evicted; else a new one is derived. Undefined when an input has no identity: nothing could ever find the record.
 */
function placeOf(storage: CacheStorage, state: VertexState, made: Made): Place | undefined {
  const lookup = lookupOf(state, made.index);
  const derived = deriveKey(state, lookup);
  if (derived === undefined) return undefined;
  const known = candidates(storage, lookup).filter(({ key }) => storage.isForeign?.(key) !== true);
  const [candidate = { linked: derived, key: derived }] = known;
  const links = linksTo(state, lookup, candidate.linked);
  if (!state.ignored || hasResult(storage, candidate, made.ref)) return { candidate, links };
  return supersede({ lookup, known: known.length > 0 ? known : [candidate], links });
}

/** Ran again and came to the very same result: nothing has changed for anybody. Most results are new, and have no key yet: that is told at once. */
function hasResult(storage: CacheStorage, candidate: Candidate, ref: Ref): boolean {
  if (ref.id === undefined || storage.keysOf(ref.id, 1).length === 0) return false;
  return storage.records(candidate.key)[0]?.result === ref.id;
}

/**
 * The vertex ran although it may be cached (V020). Its old records and all that was computed from them stay, but the definition
 * now means the new result. If that were only a newer record of the old key, children would still be found by way of
 * the old key, with results computed from the old result: an image made of two runs. So the new result gets a key of its own,
 * a generation, which takes the old key's place in every look-up from now on. Children start without links from it:
 * they hit by content where they look at content, and run where they don't.
 */
function supersede(old: {
  readonly lookup: Lookup;
  readonly known: readonly Candidate[];
  readonly links: readonly LinkEntry[];
}): Place {
  const [first] = old.known;
  const linked = first!.linked;
  const key = generationKey(linked, uniqueName(32));
  const generations = old.known.map((known) => ({ parent: known.linked, link: GENERATION_LINK, child: key }));
  return { candidate: { linked, key }, links: [...old.links, ...generations] };
}
