import { type ErrorCode, errnoCode, TsbuildError } from "@tsbuild/base";
import type { PackedLayer } from "../layer/measure.ts";
import type { UnpackedLayer } from "../layer/unpack-layer.ts";
import type { Growth } from "./growing-file.ts";
import type { PackJob, UnpackJob } from "./job.ts";

/** What `workerData` holds, so that a bundle started as a worker knows what it is. */
export const WORKER_MARK = { tsbuildWorker: "layer" } as const;

/** What travels of an `UnpackJob`: of a growing file its descriptor, which all threads share; how far it has come follows. */
export type SentUnpackJob = Omit<UnpackJob, "blob"> & { readonly blob: string | { readonly fd: number } };

/** To the worker. It runs one job at a time. */
export type WorkerRequest =
  | { readonly type: "pack"; readonly job: PackJob; readonly slots: SharedArrayBuffer }
  /** `busy`: how many threads of the pool have a job, as a number that all of them see. */
  | { readonly type: "unpack"; readonly job: SentUnpackJob; readonly busy: SharedArrayBuffer }
  /** Of the growing file that is being unpacked. */
  | ({ readonly type: "grown" } & Growth)
  /** The slot has been read and may be filled again. */
  | { readonly type: "free"; readonly slot: number }
  | { readonly type: "cancel" };

/** From the worker. `done` or `failed` is the last message of a job. */
export type WorkerReply =
  | { readonly type: "chunk"; readonly slot: number; readonly sizeBytes: number }
  | { readonly type: "skipped"; readonly path: string; readonly why: string }
  | { readonly type: "done"; readonly result: PackedLayer | UnpackedLayer }
  | { readonly type: "failed"; readonly failure: PlainFailure };

/**
 * Bytes go to the main thread through memory that both see: transferred buffers would be new memory for each chunk, and dead ones pile up
 * in both threads before they are collected.
 */
export const SLOT_BYTES = 1024 * 1024;
export const SLOT_COUNT = 3;

export function slotBytes(slots: SharedArrayBuffer, slot: number, sizeBytes: number): Uint8Array {
  return new Uint8Array(slots, slot * SLOT_BYTES, sizeBytes);
}

/** An error as data: structured clones of errors lose their fields. */
export interface PlainFailure {
  readonly message: string;
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
  readonly expected: boolean;
  readonly stack?: string | undefined;
}

export function toPlainFailure(error: unknown): PlainFailure {
  if (!(error instanceof Error)) return { message: String(error), expected: false };
  const hint = error instanceof TsbuildError ? error.hint : undefined;
  const expected = error instanceof TsbuildError;
  return { message: error.message, code: errnoCode(error), hint, expected, stack: error.stack };
}

export function fromPlainFailure(failure: PlainFailure): Error {
  if (failure.expected) {
    return new TsbuildError(failure.code as ErrorCode, failure.message, { hint: failure.hint });
  }
  const error: Error & { code?: string } = new Error(failure.message);
  if (failure.code !== undefined) error.code = failure.code;
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}
