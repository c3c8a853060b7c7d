/** What takes room in a state folder, one entry each (V041). */
export interface UsageRecord {
  /** `snapshot:12`, `blob:sha256:…`, `mount:3`, `git:HEX`, `context:HEX`, `history:ID`, `memo`, `database`. */
  readonly id: string;
  readonly type: UsageType;
  readonly description: string;
  /**
   * Bytes on disk: blocks, a file with several names once. A layer that several snapshots have counts with the oldest. Files that share
   * blocks with others (reflinks) count in full: which blocks those are is not asked.
   */
  readonly sizeBytes: number;
  /** Milliseconds since the epoch, as `lastUsedAt`. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  /** How often it was taken from the cache, counted once an hour at most. */
  readonly usageCount: number;
  readonly mutable: boolean;
  /** A process works with it now. */
  readonly inUse: boolean;
  /** An image has it too. */
  readonly shared: boolean;
  /** Ids of what it is made on. */
  readonly parents: readonly string[];
  /** Why it is kept; empty: nothing keeps it. */
  readonly heldBy: readonly Holder[];
  /** Milliseconds that making it took. */
  readonly costMs: number;
}

export type UsageType =
  | "regular"
  | "internal"
  | "source.local"
  | "source.git.checkout"
  | "exec.cachemount"
  | "blob"
  | "history";

/**
 * - `image`, `lease`: until the name or the process is gone; nothing removes these.
 * - `build`: one of the last builds of a project needs it, or it is what a step that failed left; `prune --all` removes it all the same.
 * - `child`: until what is made on it is gone.
 * - `kept`: this kind is removed by other means.
 */
export interface Holder {
  readonly kind: "image" | "lease" | "build" | "child" | "kept";
  /** For people, e.g. `image app:latest`, `process 4711`, `build of /src/app`. */
  readonly text: string;
}

export interface DiskUsage {
  readonly root: string;
  readonly records: readonly UsageRecord[];
  readonly totalBytes: number;
  /** What `prune --all` would free now. */
  readonly reclaimableBytes: number;
  readonly freeBytes: number;
  readonly diskBytes: number;
}
