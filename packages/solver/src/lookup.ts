import type { Digest } from "@tsbuild/base";
import { GENERATION_LINK, rootKey } from "./keys.ts";
import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, ResultId } from "./ports.ts";

/** What is known of an input when a look-up is made. */
export interface LookupInput {
  readonly selector: string;
  /**
   * Every key that stands for the input: those of its vertex, or its content key alone once the content is known. Empty:
   * nothing is known yet, and nothing can be found.
   */
  readonly keys: readonly CacheKeyId[];
}

export interface Lookup {
  readonly op: Digest;
  readonly output: number;
  readonly inputs: readonly LookupInput[];
}

/** A key that all inputs lead to. */
export interface Candidate {
  /** The key that links lead to. */
  readonly linked: CacheKeyId;
  /** The key that holds its records: `linked` itself, or the newest generation that took its place. */
  readonly key: CacheKeyId;
}

export interface Match {
  readonly candidate: Candidate;
  readonly record: CacheRecord;
}

/** The link from input number `input` of a look-up to the key of its output. */
export function linkOf(lookup: Lookup, input: number): CacheLink {
  return {
    op: lookup.op,
    output: lookup.output,
    input,
    selector: lookup.inputs[input]?.selector ?? "",
  };
}

/**
 * Keys reached from every input; for an op without inputs its root key. Oldest first.
 *
 * Worked example: `sum(a, b)` was run when `a` had the key k1 and `b` the content c1, and was saved under X; links
 * are k1 → X (input 0) and c1 → X (input 1). Later `a` has the keys k2 and k1, `b` the content c1: X. With `b`
 * at content c2, input 1 leads nowhere: no key. With the inputs swapped, k1 has no link for input 1: no key.
 */
export function candidates(storage: CacheStorage, lookup: Lookup): readonly Candidate[] {
  if (lookup.inputs.length === 0) return [resolve(storage, rootKey(lookup.op, lookup.output))];
  return reached(
    storage,
    lookup,
    lookup.inputs.map((_, i) => i),
  ).map((linked) => resolve(storage, linked));
}

/** As `candidates`, but only the inputs in `which` are asked. */
export function reached(
  storage: CacheStorage,
  lookup: Lookup,
  which: readonly number[],
): readonly CacheKeyId[] {
  let found: readonly CacheKeyId[] | undefined;
  for (const i of which) {
    const here = reachedFrom(storage, lookup, i);
    found = found === undefined ? here : found.filter((key) => here.includes(key));
    if (found.length === 0) break;
  }
  return found ?? [];
}

function reachedFrom(storage: CacheStorage, lookup: Lookup, input: number): readonly CacheKeyId[] {
  const link = linkOf(lookup, input);
  const keys = lookup.inputs[input]?.keys ?? [];
  if (keys.length === 1) return storage.linked(keys[0]!, link);
  if (storage.linkedFromAny !== undefined) return storage.linkedFromAny(keys, link);
  return [...new Set(keys.flatMap((key) => storage.linked(key, link)))];
}

export function resolve(storage: CacheStorage, linked: CacheKeyId): Candidate {
  const newest =
    storage.newestLinked === undefined
      ? storage.linked(linked, GENERATION_LINK).at(-1)
      : storage.newestLinked(linked, GENERATION_LINK);
  return { linked, key: newest ?? linked };
}

/**
 * The newest record of any candidate whose result is not known to be gone. One of this store goes before one of an imported cache,
 * which would have to be fetched.
 */
export function newestMatch(
  storage: CacheStorage,
  found: readonly Candidate[],
  gone: ReadonlySet<ResultId>,
): Match | undefined {
  let newest: Match | undefined;
  for (const candidate of found) {
    const record = storage.records(candidate.key).find((known) => !gone.has(known.result));
    if (record === undefined) continue;
    if (newest === undefined || isBetter(record, newest.record)) newest = { candidate, record };
  }
  return newest;
}

function isBetter(record: CacheRecord, than: CacheRecord): boolean {
  const isHere = record.origin === undefined;
  if (isHere !== (than.origin === undefined)) return isHere;
  return record.createdAt >= than.createdAt;
}
