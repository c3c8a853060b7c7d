import type { CacheKeyId } from "@tsbuild/solver";
import type { LinksTo } from "./chains.ts";

type Links = ReturnType<LinksTo>;

/** Of one search for a way from a link's parent to its child; a link that is not decided by then counts as one of a cycle. */
const MAX_SEARCH = 10_000;

/** The links of one op by its inputs; an input that nothing leads to is empty. */
export function byInput(links: Links): Links[] {
  const count = Math.max(...links.map(({ input }) => input)) + 1;
  return Array.from({ length: count }, (_, i) => links.filter(({ input }) => input === i));
}

/**
 * Keys with those of their links that close no cycle, each key after its parents. A step that came to what another one came to before
 * shares its key, also when the one is an ancestor of the other: then the key leads to itself. BuildKit refuses documents in which that
 * happens. Keys that cannot be reached without a cycle are left out.
 *
 * A key's rank is the length of the shortest way to it from the roots. A link from a lower rank never closes a cycle with others of
 * its kind; any other link is kept when its child leads nowhere near its parent.
 */
export function acyclic(all: ReadonlyMap<CacheKeyId, Links>): ReadonlyMap<CacheKeyId, Links> {
  const ranks = ranksOf(all);
  const kept = new Map<CacheKeyId, Links>();
  for (const child of ranks.keys()) {
    const links = (all.get(child) ?? []).filter(({ parent }) => {
      const rank = ranks.get(parent);
      if (rank === undefined) return false;
      return rank < (ranks.get(child) ?? 0) || !leadsTo(all, child, parent);
    });
    kept.set(child, links);
  }
  return new Map(inOrder(kept).map((key) => [key, kept.get(key) ?? []]));
}

/** By rounds: a key is reached when every input of one of its ops has a parent that was reached in an earlier round. */
function ranksOf(all: ReadonlyMap<CacheKeyId, Links>): ReadonlyMap<CacheKeyId, number> {
  const ranks = new Map<CacheKeyId, number>();
  const children = Map.groupBy(
    [...all].flatMap(([child, links]) => links.map(({ parent }) => ({ parent, child }))),
    ({ parent }) => parent,
  );
  let round = [...all].flatMap(([key, links]) => (links.length === 0 ? [key] : []));
  for (let rank = 0; round.length > 0; rank++) {
    for (const key of round) ranks.set(key, rank);
    const next = new Set(round.flatMap((key) => (children.get(key) ?? []).map(({ child }) => child)));
    round = [...next].filter((key) => !ranks.has(key) && isReached(all.get(key) ?? [], ranks));
  }
  return ranks;
}

function isReached(links: Links, ranks: ReadonlyMap<CacheKeyId, number>): boolean {
  const reached = (sources: Links) => sources.some(({ parent }) => ranks.has(parent));
  return [...Map.groupBy(links, ({ op }) => op).values()].some((own) => byInput(own).every(reached));
}

/** Whether `key` is among the ancestors of `from`. */
function leadsTo(all: ReadonlyMap<CacheKeyId, Links>, key: CacheKeyId, from: CacheKeyId): boolean {
  const seen = new Set<CacheKeyId>();
  const pending = [from];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === key || seen.size > MAX_SEARCH) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    for (const { parent } of all.get(next) ?? []) pending.push(parent);
  }
  return false;
}

/** Parents first, without recursion. */
function inOrder(links: ReadonlyMap<CacheKeyId, Links>): CacheKeyId[] {
  const entered = new Set<CacheKeyId>();
  const done = new Set<CacheKeyId>();
  const pending = [...links.keys()];
  for (let key = pending.at(-1); key !== undefined; key = pending.at(-1)) {
    if (entered.has(key)) {
      pending.pop();
      done.add(key);
      continue;
    }
    entered.add(key);
    for (const { parent } of links.get(key) ?? []) if (!entered.has(parent)) pending.push(parent);
  }
  return [...done];
}
