import type { UsageRecord } from "../usage/types.ts";
import { isFirm } from "../usage/usage.ts";

/** What a collection is to reach. All sizes in bytes. */
export interface Limits {
  /** Ceiling: remove until no more than this is used. */
  readonly maxBytes?: number | undefined;
  /** Remove until the file system has this much free. */
  readonly minFreeBytes?: number | undefined;
  /** Floor for the other limits: never go below this. */
  readonly reservedBytes?: number | undefined;
  /** Remove all that was not used for so long. */
  readonly unusedForMs?: number | undefined;
  /** Sources and cache mounts that take more than `bytes` together: remove those not used for `unusedForMs` (V042, first rule). */
  readonly sources?: { readonly bytes: number; readonly unusedForMs: number } | undefined;
  /** Of cache mounts by id: one that is larger is removed as a whole, for half a cache is a broken one to many tools. */
  readonly mountBytes?: Readonly<Record<string, number>> | undefined;
}

export interface Choice {
  readonly limits: Limits;
  /** Everything that may go goes, whatever the limits say. */
  readonly everything: boolean;
  /** What the last builds of a project need may go too. */
  readonly builds: boolean;
  readonly matches: (record: UsageRecord) => boolean;
  readonly now: number;
  readonly freeBytes: number;
}

export interface Victim {
  readonly record: UsageRecord;
  readonly why: string;
}

/**
 * What goes, in order. Only leaves go: what something else is made on stays until that is gone. Pure.
 *
 * Order: by the day of the last use; of one day, what frees most per second of making it again.
 */
export function choose(records: readonly UsageRecord[], choice: Choice): readonly Victim[] {
  const queue = new Leaves(records, choice);
  const budget = new Budget(records, choice);
  const victims: Victim[] = [];
  for (let record = queue.next(); record !== undefined; record = queue.next()) {
    const why = reasonFor(record, choice, budget);
    if (why === undefined) continue;
    victims.push({ record, why });
    budget.spend(record);
    queue.remove(record);
  }
  return victims;
}

/** Bytes that are left to free. */
class Budget {
  readonly #limits: Limits;
  #used: number;
  #free: number;
  #sources: number;

  constructor(records: readonly UsageRecord[], { limits, freeBytes }: Choice) {
    this.#limits = limits;
    this.#used = sum(records);
    this.#free = freeBytes;
    this.#sources = sum(records.filter(isSource));
  }

  spend(record: UsageRecord): void {
    this.#used -= record.sizeBytes;
    this.#free += record.sizeBytes;
    if (isSource(record)) this.#sources -= record.sizeBytes;
  }

  /** Which limit is still passed. */
  passed(): string | undefined {
    const { maxBytes, minFreeBytes, reservedBytes = 0 } = this.#limits;
    if (this.#used <= reservedBytes) return undefined;
    if (maxBytes !== undefined && this.#used > maxBytes) return "over the ceiling";
    if (minFreeBytes !== undefined && this.#free < minFreeBytes) return "the disk is nearly full";
    return undefined;
  }

  sourcesPassed(): boolean {
    const { sources } = this.#limits;
    return sources !== undefined && this.#sources > sources.bytes;
  }
}

function sum(records: readonly UsageRecord[]): number {
  return records.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

function isSource({ type }: UsageRecord): boolean {
  return type === "source.local" || type === "source.git.checkout" || type === "exec.cachemount";
}

function mountLimit({ mountBytes }: Limits, { description }: UsageRecord): number | undefined {
  return mountBytes?.[description] ?? mountBytes?.[`/${description}`];
}

function reasonFor(record: UsageRecord, choice: Choice, budget: Budget): string | undefined {
  if (!choice.matches(record)) return undefined;
  if (choice.everything) return "nothing keeps it";
  const { limits, now } = choice;
  const idleMs = now - record.lastUsedAt;
  if (record.type === "exec.cachemount" && record.sizeBytes > (mountLimit(limits, record) ?? Infinity))
    return "larger than its own limit";
  if (isSource(record) && budget.sourcesPassed() && idleMs > (limits.sources?.unusedForMs ?? Infinity))
    return `sources and cache mounts unused for ${days(limits.sources?.unusedForMs ?? 0)}`;
  if (limits.unusedForMs !== undefined && idleMs > limits.unusedForMs)
    return `unused for ${days(limits.unusedForMs)}`;
  return budget.passed();
}

const DAY_MS = 86_400_000;

function days(ms: number): string {
  return ms < DAY_MS ? `${Math.round(ms / 360_000) / 10} h` : `${Math.round(ms / DAY_MS)} d`;
}

/** Records that may go and on which nothing is made any more, the least worth keeping first. */
class Leaves {
  readonly #byId: ReadonlyMap<string, UsageRecord>;
  readonly #children = new Map<string, number>();
  readonly #choice: Choice;
  #ready: UsageRecord[];
  #sorted = false;

  constructor(records: readonly UsageRecord[], choice: Choice) {
    this.#choice = choice;
    this.#byId = new Map(records.map((record) => [record.id, record]));
    for (const record of records) {
      // A compressed form goes with its layer, not the other way round.
      if (record.type === "blob") continue;
      for (const parent of record.parents) this.#count(parent, 1);
    }
    this.#ready = records.filter((record) => this.#isFree(record));
  }

  next(): UsageRecord | undefined {
    if (!this.#sorted) this.#ready.sort((a, b) => worth(b, this.#choice.now) - worth(a, this.#choice.now));
    this.#sorted = true;
    return this.#ready.pop();
  }

  /** Frees what it was made on. */
  remove({ type, parents }: UsageRecord): void {
    if (type === "blob") return;
    for (const id of parents) {
      const left = this.#count(id, -1);
      const parent = this.#byId.get(id);
      if (left > 0 || parent === undefined || !this.#isFree(parent)) continue;
      this.#ready.push(parent);
      this.#sorted = false;
    }
  }

  #count(id: string, by: number): number {
    const count = (this.#children.get(id) ?? 0) + by;
    this.#children.set(id, count);
    return count;
  }

  #isFree(record: UsageRecord): boolean {
    if (isFirm(record) || (this.#children.get(record.id) ?? 0) > 0) return false;
    return this.#choice.builds || !record.heldBy.some(({ kind }) => kind === "build");
  }
}

/** Least first. A day counts more than any size or cost. */
function worth({ lastUsedAt, sizeBytes, costMs }: UsageRecord, now: number): number {
  const idleDays = Math.floor(Math.max(0, now - lastUsedAt) / DAY_MS);
  const costPerByte = (costMs + 1) / (sizeBytes + 1);
  return -idleDays + costPerByte / (costPerByte + 1);
}
