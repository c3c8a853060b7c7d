import type { LineRange } from "@tsbuild/base";

/** The two characters that may escape the next one and continue a line (FEATURES D013). */
export type EscapeCharacter = "\\" | "`";

/** A word of an instruction with its place in the file. */
export interface Word {
  /** Text as the instruction means it: JSON strings decoded, quotes of shell words kept. */
  readonly text: string;
  /** Line of its first character, from 1. */
  readonly line: number;
  /** Column of its first character, from 1, in UTF-16 units. */
  readonly column: number;
}

/** Body of a heredoc (FEATURES D023–D029). */
export interface Heredoc {
  /** Name without quotes. */
  readonly name: string;
  /** Number before `<<`; 0 when there is none. */
  readonly fd: number;
  /** False when any part of the name is quoted: then the body is literal. */
  readonly expand: boolean;
  /** `<<-`: leading tabs of each line go away when the body is used (`chompHeredoc`). */
  readonly chomp: boolean;
  /** Raw text of the body, line ends as in the file, tabs not yet chomped. */
  readonly content: string;
  /** Lines of the body with its terminator. */
  readonly range: LineRange;
}

/** How the arguments are written, which decides what they mean. */
export type ArgumentForm =
  /** A valid JSON array of strings. */
  | "json"
  /** One raw text (RUN, CMD, WORKDIR, …). */
  | "raw"
  /** Words split at blanks (FROM, COPY, EXPOSE, ARG, …). */
  | "words"
  /** `key=value …` (ENV, LABEL): three words per pair: key, value, separator. */
  | "pairs"
  /** No argument at all. */
  | "none"
  /** ONBUILD: see `trigger`. */
  | "trigger";

/** One instruction, before it is known to be valid. */
export interface AstNode {
  /** Instruction word as written, e.g. `run`. */
  readonly keyword: string;
  /** The logical line: continuations joined, comments dropped, leading blanks stripped; heredoc bodies not included. */
  readonly original: string;
  /** Physical lines from the instruction word to the last line, heredoc bodies included. */
  readonly range: LineRange;
  /** Place of the instruction word. */
  readonly column: number;
  /** `--name[=value]` words, quotes and escapes resolved (FEATURES D018). */
  readonly flags: readonly Word[];
  readonly form: ArgumentForm;
  readonly args: readonly Word[];
  /** The instruction after ONBUILD. */
  readonly trigger?: AstNode;
  /** Bodies in order of appearance; for ONBUILD they hang on the ONBUILD node. */
  readonly heredocs: readonly Heredoc[];
  /** Comment lines above, trimmed, since the last instruction or empty comment. */
  readonly prevComment: readonly string[];
}

/** A `# key=value` line at the top (FEATURES D010–D015). */
export interface Directive {
  readonly name: "syntax" | "escape" | "check";
  /** Up to the first blank. */
  readonly value: string;
  /** All of it. */
  readonly text: string;
  readonly range: LineRange;
}

/** A lint-like remark of the line parser. */
export interface ParserWarning {
  readonly rule: "NoEmptyContinuation";
  readonly message: string;
  readonly range: LineRange;
}

/** A parsed Dockerfile. Its instructions need not be valid: see `parseInstructions`. */
export interface DockerfileAst {
  /** File as the user named it. */
  readonly file: string;
  readonly text: string;
  /** What was parsed, byte order mark and invalid bytes included: what `print` gives back. */
  readonly original: string | Uint8Array;
  readonly escape: EscapeCharacter;
  readonly nodes: readonly AstNode[];
  readonly warnings: readonly ParserWarning[];
  /** The `syntax` directive, found also in `//` and JSON form and after a shebang (FEATURES D014). */
  readonly syntax?: Directive;
  /** The `check` directive (FEATURES D015). */
  readonly check?: Directive;
}
