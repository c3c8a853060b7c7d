import { contentKeyId } from "./keys.ts";
import { type Lookup, linkOf } from "./lookup.ts";
import type { CacheKeyId, CacheLink, CacheStorage } from "./ports.ts";
import type { InputState, VertexState } from "./vertex-state.ts";

export interface LinkEntry {
  readonly parent: CacheKeyId;
  readonly link: CacheLink;
  readonly child: CacheKeyId;
}

/** Links to `child` from what each input is known by: its key and its content. */
export function linksTo(state: VertexState, lookup: Lookup, child: CacheKeyId): readonly LinkEntry[] {
  return state.inputs.flatMap((input, i) =>
    parentsOf(input).map((parent) => ({ parent, link: linkOf(lookup, i), child })),
  );
}

/**
 * An input without a record may have several keys, but all of them are reached from the content that its own inputs have now: a
 * vertex is linked only after its inputs were settled.
 */
function parentsOf(input: InputState): readonly CacheKeyId[] {
  const content = input.content === undefined ? [] : [contentKeyId(input.content.digest)];
  return [...input.output.own, ...content];
}

/** Those not saved yet: a build that changes nothing writes nothing. */
export function missingLinks(storage: CacheStorage, links: readonly LinkEntry[]): readonly LinkEntry[] {
  return links.filter((entry) => !isSaved(storage, entry));
}

function isSaved(storage: CacheStorage, { parent, link, child }: LinkEntry): boolean {
  return storage.linked(parent, link).includes(child);
}
