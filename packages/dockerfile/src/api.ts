import type { SourceLocation } from "@tsbuild/base";
import type { DockerfileAst } from "./ast.ts";
import type { DockerfileProgram } from "./instruction.ts";
import type { Mount } from "./mount.ts";
import type { ExpandedWord, ExpandedWords, VariableLookup, WordOptions } from "./word.ts";

// The functions of this package, for those who code against them while they are written.
export type Parse = (text: string | Uint8Array, options: { readonly file: string }) => DockerfileAst;
export type ParseInstructions = (ast: DockerfileAst) => DockerfileProgram;
export type ExpandWord = (word: string, env: VariableLookup, options?: WordOptions) => ExpandedWord;
export type ExpandWords = (word: string, env: VariableLookup, options?: WordOptions) => ExpandedWords;
export type ParseMount = (text: string, expand: (word: string) => string) => Mount;
export type ChompHeredoc = (content: string) => string;
export type FormatSourceWindow = (location: SourceLocation) => string;
