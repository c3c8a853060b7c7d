import { type ErrorCode, TsbuildError } from "@tsbuild/base";

/** A bug. */
const INTERNAL = 100;

/** Codes with a status of their own (C045); every other TsbuildError is 1. docs/exit-codes.md lists them. */
const BY_CODE: Partial<Record<ErrorCode, number>> = {
  TSB_USAGE: 2,
  TSB_OOM: 102,
  TSB_CANCELED: 130,
  TSB_INTERNAL: INTERNAL,
};

/** What the process ends with after an error. */
export function exitStatus(error: unknown): number {
  return error instanceof TsbuildError ? (BY_CODE[error.code] ?? 1) : INTERNAL;
}

/** `run` passes the command's own code on, so tsbuild's failures are kept apart as Docker keeps them. */
export const RUN_FAILED = 125;
