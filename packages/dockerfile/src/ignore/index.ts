/** Ignore files and glob patterns alone, without the Dockerfile parser. */
export { matchGlob } from "./glob.ts";
export { parseIgnoreFile } from "./ignore-file.ts";
export { createMatcher } from "./path-matcher.ts";
export type * from "./types.ts";
