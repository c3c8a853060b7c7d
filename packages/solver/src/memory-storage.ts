import { assert } from "@tsbuild/base";
import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, Ref, ResultId } from "./ports.ts";

/**
 * Counted handles to values in memory: the twin of a snapshot store. `outstanding` is how many handles nobody has
 * released yet; a solve that leaks none leaves it as it was.
 */
export class MemoryResults<T> {
  readonly #values = new Map<ResultId, T>();
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
    assert(
      ref instanceof MemoryRef && ref.owner === this && ref.isOpen,
      "a ref is read after its release, or belongs to somebody else",
    );
    return ref.value as T;
  }

  /** Forgets a value. Handles that are open keep theirs, as a held snapshot stays. */
  evict(id: ResultId): void {
    this.#values.delete(id);
  }

  #handle(id: ResultId | undefined, value: T): Ref {
    this.#outstanding++;
    return new MemoryRef(this, id, value);
  }

  /** For handles. */
  released(): void {
    this.#outstanding--;
  }

  /** For handles. */
  again(ref: MemoryRef<T>): Ref {
    return this.#handle(ref.id, this.value(ref));
  }
}

class MemoryRef<T> implements Ref {
  readonly owner: MemoryResults<T>;
  readonly id: ResultId | undefined;
  readonly value: T;
  isOpen = true;

  constructor(owner: MemoryResults<T>, id: ResultId | undefined, value: T) {
    this.owner = owner;
    this.id = id;
    this.value = value;
  }

  clone(): Ref {
    return this.owner.again(this);
  }

  release(): void {
    assert(this.isOpen, "a ref is released twice");
    this.isOpen = false;
    this.owner.released();
  }
}

const NONE: readonly never[] = [];

/** `CacheStorage` in memory. Keeps every key and record until `forget`; what is evicted is only noticed by `load`. */
export class MemoryCacheStorage<T> implements CacheStorage {
  readonly results: MemoryResults<T>;
  readonly #children = new Map<CacheKeyId, Map<string, readonly CacheKeyId[]>>();
  readonly #parents = new Map<CacheKeyId, { readonly parent: CacheKeyId; readonly link: CacheLink }[]>();
  readonly #records = new Map<CacheKeyId, CacheRecord[]>();
  readonly #keys = new Map<ResultId, CacheKeyId[]>();
  readonly #newest = new Map<string, CacheRecord>();

  constructor(results: MemoryResults<T> = new MemoryResults<T>()) {
    this.results = results;
  }

  linked(parent: CacheKeyId, link: CacheLink): readonly CacheKeyId[] {
    return this.#children.get(parent)?.get(linkName(link)) ?? NONE;
  }

  records(key: CacheKeyId): readonly CacheRecord[] {
    return this.#records.get(key) ?? NONE;
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
    const name = linkName(link);
    const children = this.linked(parent, link);
    if (children.includes(child)) return;
    const ofParent = this.#children.get(parent);
    if (ofParent === undefined) this.#children.set(parent, new Map([[name, [child]]]));
    else ofParent.set(name, [...children, child]);
    const parents = this.#parents.get(child);
    if (parents === undefined) this.#parents.set(child, [{ parent, link }]);
    else parents.push({ parent, link });
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
function linkName({ op, output, input, selector }: CacheLink): string {
  return `${op} ${output} ${input} ${selector}`;
}
