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
 * An input without a record may be known by several keys, of which some once held other content; which of them `child`
 * belongs to is already linked, and to link the others would be wrong.
 */
function parentsOf(input: InputState): readonly CacheKeyId[] {
  const content = input.content === undefined ? [] : [contentKeyId(input.content.digest)];
  return input.output.own.length === 1 ? [...input.output.own, ...content] : content;
}

/** Those not saved yet: a build that changes nothing writes nothing. */
export function missingLinks(storage: CacheStorage, links: readonly LinkEntry[]): readonly LinkEntry[] {
  return links.filter((entry) => !isSaved(storage, entry));
}

function isSaved(storage: CacheStorage, { parent, link, child }: LinkEntry): boolean {
  return storage.linked(parent, link).includes(child);
}
