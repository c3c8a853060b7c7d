import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, ResultId } from "@tsbuild/solver";

type Entry = Parameters<CacheStorage["save"]>[0];
type LinkEntry = Entry["links"][number];

/** What was saved and is not in the database yet, found as what is: of two equal ones the first counts. */
export class PendingRecords {
  readonly #links: LinkEntry[] = [];
  readonly #records: CacheRecord[] = [];
  readonly #byParent = new Map<CacheKeyId, LinkEntry[]>();
  readonly #byKey = new Map<CacheKeyId, CacheRecord[]>();
  readonly #byResult = new Map<ResultId, CacheKeyId[]>();

  get size(): number {
    return this.#links.length + this.#records.length;
  }

  get entry(): Entry {
    return { links: this.#links, records: this.#records };
  }

  add({ links, records }: Entry): void {
    for (const entry of links) {
      this.#links.push(entry);
      append(this.#byParent, entry.parent, entry);
    }
    for (const record of records) {
      if (this.records(record.key).some(({ result }) => result === record.result)) continue;
      this.#records.push(record);
      append(this.#byKey, record.key, record);
      append(this.#byResult, record.result, record.key);
    }
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    const found = this.#byParent.get(parent)?.filter((entry) => isSameLink(entry.link, link));
    return found?.map(({ child }) => child) ?? NONE;
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    return this.#byKey.get(key) ?? NONE;
  }

  keysOf(result: ResultId): readonly CacheKeyId[] {
    return this.#byResult.get(result) ?? NONE;
  }
}

const NONE: readonly never[] = [];

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function isSameLink(one: CacheLink, other: CacheLink): boolean {
  return (
    one.input === other.input &&
    one.output === other.output &&
    one.op === other.op &&
    one.selector === other.selector
  );
}
