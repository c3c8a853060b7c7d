import { assert } from "@tsbuild/base";
import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, Ref, ResultId } from "./ports.ts";

/**
 * Counted handles to values in memory: the twin of a snapshot store. `outstanding` is how many handles nobody has
 * released yet; a solve that leaks none leaves it as it was.
 */
export class MemoryResults<T> {
  readonly #values = new Map<ResultId, T>();
  readonly #handles = new WeakMap<Ref, T>();
  #outstanding = 0;
  #nextId = 1;

  get outstanding(): number {
    return this.#outstanding;
  }

  /** Stores a value under a new id, or under `id`, and returns a handle to it. */
  create(value: T, id?: ResultId): Ref {
    const result = id ?? (`result-${this.#nextId++}` as ResultId);
    this.#values.set(result, value);
    return this.#handle(result, value);
  }

  /** A handle to a value that is read in place and cannot be recorded (a local context). */
  transient(value: T): Ref {
    return this.#handle(undefined, value);
  }

  /** A handle to a stored value; undefined after `evict`. */
  open(id: ResultId): Ref | undefined {
    const value = this.#values.get(id);
    return value === undefined ? undefined : this.#handle(id, value);
  }

  /** Reads through a handle. Fails on a released one. */
  value(ref: Ref): T {
    const value = this.#handles.get(ref);
    assert(value !== undefined, "a ref is read after its release, or belongs to somebody else");
    return value;
  }

  /** Forgets a value. Handles that are open keep theirs, as a held snapshot stays. */
  evict(id: ResultId): void {
    this.#values.delete(id);
  }

  #handle(id: ResultId | undefined, value: T): Ref {
    this.#outstanding++;
    const ref: Ref = {
      id,
      clone: () => this.#handle(id, this.value(ref)),
      release: () => {
        assert(this.#handles.delete(ref), "a ref is released twice");
        this.#outstanding--;
      },
    };
    this.#handles.set(ref, value);
    return ref;
  }
}

/** `CacheStorage` in memory. Keeps every key and record until `forget`; what is evicted is only noticed by `load`. */
export class MemoryCacheStorage<T> implements CacheStorage {
  readonly results: MemoryResults<T>;
  readonly #children = new Map<string, CacheKeyId[]>();
  readonly #parents = new Map<CacheKeyId, { readonly parent: CacheKeyId; readonly link: CacheLink }[]>();
  readonly #records = new Map<CacheKeyId, CacheRecord[]>();
  readonly #keys = new Map<ResultId, CacheKeyId[]>();
  readonly #newest = new Map<string, CacheRecord>();

  constructor(results: MemoryResults<T> = new MemoryResults<T>()) {
    this.results = results;
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    return this.#children.get(edgeName(parent, link)) ?? [];
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    return this.#records.get(key) ?? [];
  }

  keysOf(result: ResultId, atMost?: number): readonly CacheKeyId[] {
    return (this.#keys.get(result) ?? []).slice(0, atMost);
  }

  /** Links that lead to a key, newest first. */
  linksTo(child: CacheKeyId): readonly { readonly parent: CacheKeyId; readonly link: CacheLink }[] {
    return (this.#parents.get(child) ?? []).toReversed();
  }

  save(entry: Parameters<CacheStorage["save"]>[0]): void {
    for (const { parent, link, child } of entry.links) this.#saveLink(parent, link, child);
    for (const record of entry.records) this.#saveRecord(record);
  }

  newestLike(description: string): CacheRecord | undefined {
    return this.#newest.get(description);
  }

  load(record: CacheRecord): Ref | undefined {
    return this.results.open(record.result);
  }

  /** Removes the records of a result, as collecting it does in a store that tidies up. Links stay. */
  forget(result: ResultId): void {
    this.results.evict(result);
    for (const key of this.keysOf(result)) {
      this.#records.set(
        key,
        this.records(key).filter((record) => record.result !== result),
      );
    }
    this.#keys.delete(result);
    for (const [description, record] of this.#newest) {
      if (record.result === result) this.#newest.delete(description);
    }
  }

  #saveLink(parent: CacheKeyId, link: CacheLink, child: CacheKeyId): void {
    const edge = edgeName(parent, link);
    const children = this.#children.get(edge) ?? [];
    if (children.includes(child)) return;
    this.#children.set(edge, [...children, child]);
    this.#parents.set(child, [...(this.#parents.get(child) ?? []), { parent, link }]);
  }

  // Lists that callers were given are replaced, never changed.
  #saveRecord(record: CacheRecord): void {
    const records = this.records(record.key);
    if (records.some((known) => known.result === record.result)) return;
    const older = records.findIndex((known) => known.createdAt <= record.createdAt);
    this.#records.set(record.key, records.toSpliced(older < 0 ? records.length : older, 0, record));
    const keys = this.#keys.get(record.result);
    if (keys === undefined) this.#keys.set(record.result, [record.key]);
    else keys.push(record.key);
    const newest = this.#newest.get(record.description);
    if (newest === undefined || newest.createdAt <= record.createdAt)
      this.#newest.set(record.description, record);
  }
}

/** The selector, which may have any letter, comes last. */
function edgeName(parent: CacheKeyId, { op, output, input, selector }: CacheLink): string {
  return `${parent} ${op} ${output} ${input} ${selector}`;
}
