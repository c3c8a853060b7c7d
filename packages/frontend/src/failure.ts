import { type LineRange, type SourceLocation, TsbuildError } from "@tsbuild/base";

/** A mistake in what the user wrote. The caller that knows the lines adds them (`at`). */
export function mistake(message: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_DOCKERFILE", message, { hint });
}

/** The Dockerfile that errors point into. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

export function locate(source: SourceText, ranges: readonly LineRange[]): SourceLocation {
  return { file: source.file, text: source.text, ranges };
}

/** Runs `work`; an error out of it that has no place yet gets `range`. */
export function at<T>(source: SourceText, range: LineRange, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw placed(error, source, range);
  }
}

export function placed(error: unknown, source: SourceText, range: LineRange): unknown {
  return error instanceof TsbuildError ? error.with({ source: locate(source, [range]) }) : error;
}
