import { createMatcher, type PathMatcher, parseIgnoreFile } from "@tsbuild/dockerfile";

interface IgnoreFile {
  readonly file: string;
  readonly text: string;
}

/** The patterns of an ignore file. Errors (TSB_DOCKERFILE) point into that file. */
export function ignorePatterns(ignore: IgnoreFile): string[] {
  return parseIgnoreFile(ignore.text, { file: ignore.file });
}

export function ignoreMatcher(patterns: readonly string[]): PathMatcher | undefined {
  return patterns.length === 0 ? undefined : createMatcher(patterns);
}
