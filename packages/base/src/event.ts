import type { VertexDigest } from "./digest.ts";
import type { LineRange, TsbuildError } from "./error.ts";

/** Milliseconds since the epoch, with fractions. */
export type Timestamp = number;

/** A vertex as progress shows it. `name` is the text of the step, e.g. `[build 2/5] RUN make`. */
export interface VertexInfo {
  readonly digest: VertexDigest;
  readonly name: string;
  readonly inputs: readonly VertexDigest[];
  /** Vertices of one group are shown as one (COPY --link and its merge). */
  readonly group?: { readonly id: string; readonly name: string } | undefined;
  /** No step of the Dockerfile (resolving names, exporting): shown, but not counted. */
  readonly internal?: boolean | undefined;
}

/** Why a vertex was rebuilt, in one line, e.g. `changed: src/a.ts` or `after [2/4] RUN make`. */
export interface CacheReason {
  readonly kind: /** Nothing is known of the project: none of its steps is news. */
    | "first-build"
    | "never-built"
    | "instruction"
    | "input-content"
    | "input"
    | "base"
    | "arg"
    | "no-cache"
    | "evicted"
    | "not-cacheable";
  readonly text: string;
  /** All that differs from the earlier record it was compared with, the reason itself and what else there is. */
  readonly changes?: readonly KeyChange[] | undefined;
  /** The input that was rebuilt or moved, where that is the reason: its own reason is the next link of the chain. */
  readonly because?: VertexDigest | undefined;
}

/** A part of a cache key that is not as it was. */
export interface KeyChange {
  /** E.g. `args`, `env.REV`, `file:src/a.ts`. */
  readonly name: string;
  /** Undefined: was not there. Long values are cut, private ones are digests. */
  readonly before?: string | undefined;
  /** Undefined: is not there any more. */
  readonly after?: string | undefined;
}

/** What the history has of a build. */
export interface KeptRecord {
  readonly id: string;
  /** Number, in the record, of the first step that failed and whose output is kept. */
  readonly failedStep?: number | undefined;
  /** Of the layers that steps made in this build, where they were measured, by vertex. */
  readonly layerBytes?: Readonly<Record<string, number>> | undefined;
}

/** What a vertex took while it ran. */
export interface VertexResources {
  /** The highest use of all its processes where its control group counts, else of the largest one. */
  readonly peakMemoryBytes?: number | undefined;
  /** Time on processors, of all processes together. */
  readonly cpuMs: number;
}

/**
 * Everything that a build tells while it runs. Printers, the TUI, rawjson and the history are pure functions of
 * this stream. For one vertex the order is: vertex-started, then status/log/warning, then exactly one of
 * vertex-cached, vertex-completed, vertex-failed. A vertex found in the cache has vertex-started and
 * vertex-cached at the same time. The last event of a build is build-finished.
 */
export type BuildEvent =
  | {
      readonly type: "build-started";
      readonly at: Timestamp;
      readonly title: string;
      readonly dockerfile?: string;
    }
  /** The vertices known so far that may run; sent when the graph is known, for counting and ordering. */
  | { readonly type: "graph"; readonly at: Timestamp; readonly vertices: readonly VertexInfo[] }
  | {
      readonly type: "vertex-started";
      readonly at: Timestamp;
      readonly vertex: VertexInfo;
      /** It could have begun before, when its inputs were there, but for the limit of steps at a time. */
      readonly waited?: true | undefined;
    }
  | {
      readonly type: "vertex-cached";
      readonly at: Timestamp;
      readonly vertex: VertexDigest;
      /** The imported cache that it was taken from, e.g. `registry ghcr.io/me/cache`; absent: the state folder. */
      readonly origin?: string | undefined;
    }
  | {
      readonly type: "vertex-completed";
      readonly at: Timestamp;
      readonly vertex: VertexDigest;
      readonly reason?: CacheReason | undefined;
      readonly resources?: VertexResources | undefined;
    }
  | {
      readonly type: "vertex-failed";
      readonly at: Timestamp;
      readonly vertex: VertexDigest;
      readonly error: TsbuildError;
      readonly canceled: boolean;
    }
  /** Progress of a part of a vertex (a download, an extraction); `done` ends it. Bytes unless `unit` says else. */
  | {
      readonly type: "status";
      readonly at: Timestamp;
      readonly vertex: VertexDigest;
      readonly id: string;
      readonly current: number;
      readonly total?: number | undefined;
      readonly unit?: "bytes" | "files" | undefined;
      readonly done?: boolean | undefined;
    }
  | {
      readonly type: "log";
      readonly at: Timestamp;
      readonly vertex: VertexDigest;
      readonly stream: 1 | 2;
      readonly data: Uint8Array;
    }
  | {
      readonly type: "warning";
      readonly at: Timestamp;
      readonly vertex?: VertexDigest | undefined;
      /** Lint rule or short machine name. */
      readonly rule?: string | undefined;
      readonly message: string;
      readonly detail?: readonly string[] | undefined;
      readonly url?: string | undefined;
      readonly file?: string | undefined;
      readonly ranges?: readonly LineRange[] | undefined;
    }
  | {
      readonly type: "build-finished";
      readonly at: Timestamp;
      readonly error?: TsbuildError | undefined;
      readonly record?: KeptRecord | undefined;
    };

export type EventSink = (event: BuildEvent) => void;
