import type { VertexDigest } from "./digest.ts";

/** A stretch of lines of a source file; lines count from 1, both ends included. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** Where in the user's text a problem is. */
export interface SourceLocation {
  /** File as the user named it, e.g. `Dockerfile`. */
  readonly file: string;
  /** Whole text of the file, for a window of lines around the problem. */
  readonly text?: string;
  readonly ranges: readonly LineRange[];
  /** Column of the offending word, counted from 1 in UTF-16 units of its line. */
  readonly column?: number;
  /** Line of that column; default: the first of `ranges`. */
  readonly line?: number;
}

/**
 * Every code that tsbuild fails with. The code decides the exit status (see `exitStatus`).
 * - usage: wrong flags or arguments; dockerfile: the Dockerfile is wrong; context: the build context lacks what
 *   is asked for; exec: a RUN step failed; oom: killed for want of memory; resolve: an image or URL cannot be
 *   resolved or fetched; auth: the registry refuses the credentials; integrity: bytes are not what their digest
 *   says; store: the state folder cannot be read or written; disk-full; export: the output cannot be written;
 *   canceled: the user or a failed sibling stopped it; sandbox: the sandbox could not be set up;
 *   entitlement: a step asks for more than the caller allows; unsupported: valid input that this version does not do;
 *   internal: a bug, met where only these errors pass.
 */
export type ErrorCode =
  | "TSB_USAGE"
  | "TSB_DOCKERFILE"
  | "TSB_CONTEXT"
  | "TSB_EXEC"
  | "TSB_OOM"
  | "TSB_RESOLVE"
  | "TSB_AUTH"
  | "TSB_INTEGRITY"
  | "TSB_STORE"
  | "TSB_DISK_FULL"
  | "TSB_EXPORT"
  | "TSB_CANCELED"
  | "TSB_SANDBOX"
  | "TSB_ENTITLEMENT"
  | "TSB_UNSUPPORTED"
  | "TSB_INTERNAL";

export interface ErrorDetails {
  /** What the user can type or change to get on. */
  readonly hint?: string | undefined;
  readonly source?: SourceLocation | undefined;
  readonly vertex?: VertexDigest | undefined;
  readonly cause?: unknown;
  /** Exit code of the failed command (TSB_EXEC). */
  readonly exitCode?: number | undefined;
  /** Further errors that were found at the same time, to be shown together; each without `related` of its own. */
  readonly related?: readonly TsbuildError[] | undefined;
}

/** An expected failure. Wrap by adding (where, which side, what next); the cause is kept. */
export class TsbuildError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly source: SourceLocation | undefined;
  readonly vertex: VertexDigest | undefined;
  readonly exitCode: number | undefined;
  readonly related: readonly TsbuildError[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "TsbuildError";
    this.code = code;
    this.hint = details.hint;
    this.source = details.source;
    this.vertex = details.vertex;
    this.exitCode = details.exitCode;
    this.related = details.related ?? [];
  }

  /** The same failure with details that only an outer layer knows; details already present stay. */
  with(details: ErrorDetails): TsbuildError {
    const merged = new TsbuildError(this.code, this.message, {
      hint: this.hint ?? details.hint,
      source: this.source ?? details.source,
      vertex: this.vertex ?? details.vertex,
      exitCode: this.exitCode ?? details.exitCode,
      cause: this.cause ?? details.cause,
      related: this.related.length > 0 ? this.related : details.related,
    });
    if (this.stack !== undefined) merged.stack = this.stack;
    return merged;
  }
}

/** What a bug has thrown, in the words of a message. */
export function bugText(error: unknown): string {
  return `internal error: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

/** Something that only a bug can cause: not for bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The `code` (ENOENT, ENOSPC, …) of a system error, if it is one. */
export function errnoCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
