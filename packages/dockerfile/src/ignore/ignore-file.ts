import { TsbuildError } from "@tsbuild/base";
import { dockerfileError } from "../error.ts";
import { trimSpace } from "../space.ts";
import { cleanPath } from "./clean-path.ts";
import { compilePattern } from "./path-matcher.ts";

/**
 * Patterns of a .dockerignore (FEATURES D132): comments and empty lines dropped, paths cleaned and taken relative
 * to the context. With `file`, malformed patterns are refused here (TSB_DOCKERFILE, with the line); otherwise
 * `createMatcher` refuses them.
 */
export function parseIgnoreFile(text: string, options: { readonly file?: string } = {}): string[] {
  const patterns: string[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    const pattern = line.startsWith("#") ? "" : normalize(trimSpace(line));
    if (pattern === "") continue;
    if (options.file !== undefined) check(pattern, { file: options.file, text }, index + 1);
    patterns.push(pattern);
  }
  return patterns;
}

function normalize(pattern: string): string {
  return pattern.startsWith("!") ? `!${relative(trimSpace(pattern.slice(1)))}` : relative(pattern);
}

function relative(pattern: string): string {
  if (pattern === "") return "";
  const cleaned = cleanPath(pattern);
  return cleaned.length > 1 && cleaned.startsWith("/") ? cleaned.slice(1) : cleaned;
}

function check(
  pattern: string,
  source: { readonly file: string; readonly text: string },
  line: number,
): void {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    throw error.with({
      source: dockerfileError(source, { range: { start: line, end: line } }, error.message).source,
    });
  }
}
