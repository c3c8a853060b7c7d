import { type LineRange, TsbuildError } from "@tsbuild/base";

/** The file that an error is in. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

export interface Place {
  readonly range: LineRange;
  /** Column of the offending word in the line `line`. */
  readonly column?: number | undefined;
  /** Line of the offending word; default: the first of `range`. */
  readonly line?: number | undefined;
}

/** An error in the Dockerfile, with the place for a window of lines. */
export function dockerfileError(
  source: SourceText,
  place: Place,
  message: string,
  hint?: string,
): TsbuildError {
  const { column, line } = place;
  return new TsbuildError("TSB_DOCKERFILE", message, {
    hint,
    source: {
      file: source.file,
      text: source.text,
      ranges: [place.range],
      ...(column === undefined ? {} : { column, line: line ?? place.range.start }),
    },
  });
}

/** An error in a text whose place in the file only the caller knows: he adds it with `.with({ source })`. */
export function textError(message: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_DOCKERFILE", message, { hint });
}

/** Throws the first error, with the others as `related`; nothing when there is none. */
export function throwTogether(errors: readonly TsbuildError[]): void {
  const [first, ...related] = errors;
  if (first !== undefined) throw first.with({ related });
}
