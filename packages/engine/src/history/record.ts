import type { CacheReason, Digest, LineRange, VertexDigest } from "@tsbuild/base";

/** Version of the documented form (docs/history.md); fields are added without a new one, never changed in meaning. */
export const RECORD_VERSION = 1;

/** `crashed`: its process died before the end. */
export type BuildStatus = "running" | "ok" | "failed" | "canceled" | "crashed";

/** One build, as `tsbuild history export` writes it. Times are milliseconds since the epoch. No field holds a secret's value. */
export interface BuildRecord {
  readonly version: typeof RECORD_VERSION;
  readonly id: string;
  readonly status: BuildStatus;
  readonly startedAt: number;
  readonly finishedAt?: number | undefined;
  readonly title: string;
  readonly request: RecordedRequest;
  readonly dockerfile?: { readonly file: string; readonly digest: Digest } | undefined;
  readonly imageId?: Digest | undefined;
  readonly error?: RecordedError | undefined;
  readonly warnings: number;
  /** Output is missing: it could not be written (a full disk). */
  readonly logsLost?: boolean | undefined;
  /** In the order in which they began. */
  readonly steps: readonly StepRecord[];
}

/** What was asked for. */
export interface RecordedRequest {
  /** Absolute path, or what it was read from. */
  readonly context: string;
  readonly target?: string | undefined;
  readonly tags: readonly string[];
  readonly platforms: readonly string[];
  /** `***` for a name that by its words holds a secret; null: no value was given, nor set in the environment. */
  readonly buildArgs: Readonly<Record<string, string | null>>;
  readonly outputs: readonly string[];
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
}

export interface RecordedError {
  readonly code: string;
  readonly message: string;
}

export interface StepRecord {
  /** From 1. */
  readonly number: number;
  /** As progress shows it: `[build 2/5] RUN make`. */
  readonly name: string;
  readonly vertex: VertexDigest;
  readonly inputs: readonly VertexDigest[];
  /** No step of the Dockerfile: resolving names, exporting. */
  readonly internal?: boolean | undefined;
  readonly status: "running" | "cached" | "ok" | "failed" | "canceled";
  readonly startedAt: number;
  /** It could have begun before, but as many steps were at work as may be. */
  readonly waited?: true | undefined;
  readonly endedAt?: number | undefined;
  /** Why it ran; none for what is read in place and for what a cache does not hold. */
  readonly reason?: CacheReason | undefined;
  /** Lines of the Dockerfile. */
  readonly lines?: readonly LineRange[] | undefined;
  /** Name of the stage in the Dockerfile; none for a stage without one. */
  readonly stage?: string | undefined;
  /** Digest of what the op does, without its inputs: `CacheMap.digest`. */
  readonly key?: Digest | undefined;
  /** The op of a RUN that ran, as `pb.Op` in base64; in its arguments and variables `****` for what is secret. */
  readonly op?: string | undefined;
  /** Snapshots that it ran on, by input; null: none, or read in place. They may have been pruned since. */
  readonly inputSnapshots?: readonly (string | null)[] | undefined;
  /** By input, of a RUN: folders of the user's that it mounted parts of; null for others. */
  readonly inputFolders?: readonly (RecordedFolder | null)[] | undefined;
  readonly outputSnapshots?: readonly (string | null)[] | undefined;
  /** Of the uncompressed tar of its layer; none where no layer was made of it. */
  readonly sizeBytes?: number | undefined;
  /** The most that its processes used at once; none where the machine does not tell. */
  readonly peakMemoryBytes?: number | undefined;
  /** Time on processors, of all its processes. */
  readonly cpuMs?: number | undefined;
  /** It wrote something. */
  readonly hasLog?: boolean | undefined;
  readonly error?: RecordedError | undefined;
}

/** A build context on this machine. */
export interface RecordedFolder {
  readonly name: string;
  /** Absolute path. */
  readonly folder: string;
  /** Patterns of its ignore file. */
  readonly ignore: readonly string[];
  /** It was mounted with modes as git has them. */
  readonly normalModes?: boolean | undefined;
}
