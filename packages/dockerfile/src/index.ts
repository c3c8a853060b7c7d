export { nearest, suggestion } from "@tsbuild/base";
export type * from "./ast.ts";
export { detectDirective } from "./directive.ts";
export { dumpAst, type Json, type JsonObject } from "./dump.ts";
export { dumpDockerfile } from "./dump-dockerfile.ts";
export { dumpProgram } from "./dump-instruction.ts";
export { parseDuration } from "./duration.ts";
export { dockerfileError, type Place, type SourceText, throwTogether } from "./error.ts";
export { expandWord, expandWords, NO_VARIABLES } from "./expand.ts";
export { type FormatOptions, format } from "./format/format.ts";
export { chompHeredoc, type HeredocMark, parseHeredocMark } from "./heredoc.ts";
export { cleanPath } from "./ignore/clean-path.ts";
export { matchGlob } from "./ignore/glob.ts";
export { parseIgnoreFile } from "./ignore/ignore-file.ts";
export { createMatcher } from "./ignore/path-matcher.ts";
export type * from "./ignore/types.ts";
export type * from "./instruction.ts";
export { type CacheSharing, checkMountText, type Mount, type MountType, parseMount } from "./mount.ts";
export { INSTRUCTION_NAMES } from "./node.ts";
export { parse } from "./parse.ts";
export {
  type CheckedDockerfile,
  type CheckedInstructions,
  checkDockerfile,
  checkInstructions,
  parseInstruction,
  parseInstructions,
  parseTrigger,
  readDockerfile,
} from "./parse-instructions.ts";
export { EXPAND_FROM, expandsFrom, pragmaTexts } from "./pragma-comments.ts";
export { type LineEdit, print } from "./print.ts";
export { type DirectiveSegment, type InstructionSegment, type Segment, segments } from "./segments.ts";
export { formatSourceWindow } from "./source-window.ts";
export { type Visit, walk } from "./walk.ts";
export type * from "./word.ts";
