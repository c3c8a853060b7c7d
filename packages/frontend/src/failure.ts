import { type LineRange, type SourceLocation, TsbuildError } from "@tsbuild/base";
import { throwTogether } from "@tsbuild/dockerfile";

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

/** Collects mistakes of things that do not depend on each other, so that they are reported together. */
export class Mistakes {
  readonly #found: TsbuildError[] = [];

  /** Runs `work`; a mistake in it is kept, any other error is thrown. */
  within(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof TsbuildError) || error.code !== "TSB_DOCKERFILE") throw error;
      this.#found.push(error);
    }
  }

  /** Throws what was found: the first, with the others as `related`. */
  finish(): void {
    throwTogether(this.#found);
  }
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
