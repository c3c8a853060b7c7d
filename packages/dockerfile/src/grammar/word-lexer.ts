import type { EscapeCharacter } from "../ast.ts";
import { escapePattern, type Lexer, tokenType } from "./lexer.ts";

/** What of the language of words can be switched. */
export interface WordDialect {
  readonly escape: EscapeCharacter;
  /** False: quotes are ordinary characters. */
  readonly quotes: boolean;
}

/** A parameter: a run of digits, one special character, or a name with letters of any script (FEATURES D037). */
const NAME = "(?:\\p{Nd}+|[@*#?$!-]|[\\p{L}_][\\p{L}\\p{Nd}_]*)";

/** The text that may end a stretch of words: nothing, the `}` of an operand, the `/` of a pattern. */
type Mode = "word" | "operand" | "pattern" | "operator" | "double";

function token(
  name: string,
  pattern: string,
  options: { readonly push?: Mode; readonly pop?: boolean; readonly unicode?: boolean } = {},
) {
  return tokenType(name, pattern, options);
}

export type WordTokens = ReturnType<typeof createWordTokens>;

/**
 * Tokens of a word as it is expanded (FEATURES D034–D038). Texts differ by mode, so that a `}` or `/` is only
 * special where one is awaited; a quote inside of `${…}` hides both.
 */
export function createWordTokens({ escape: mark, quotes }: WordDialect) {
  const e = escapePattern(mark);
  const q = quotes ? `'"` : "";
  const text = (name: string, stop: string) => token(name, `[^$<${q}${e}${stop}]+`);
  return {
    variable: token("Variable", `\\$${NAME}`, { unicode: true }),
    open: token("SubstitutionOpen", `\\$\\{(?:${NAME})?`, { push: "operator", unicode: true }),
    dollar: token("Dollar", String.raw`\$`),
    heredoc: token("HeredocMark", String.raw`<<[\t\r ]*`),
    less: token("Less", "<"),
    escaped: token("Escaped", `${e}[^]`),
    escapeAtEnd: token("EscapeAtEnd", e),
    wordText: text("WordText", ""),
    operandText: text("OperandText", "}"),
    patternText: text("PatternText", "/"),
    single: token("SingleQuoted", "'[^']*'"),
    singleUnclosed: token("SingleUnclosed", String.raw`'[\s\S]*`),
    doubleOpen: token("DoubleOpen", '"', { push: "double" }),
    doubleClose: token("DoubleClose", '"', { pop: true }),
    doubleText: token("DoubleText", `[^$"${e}]+`),
    doubleEscaped: token("DoubleEscaped", `${e}["$${e}]`),
    doubleEscape: token("DoubleEscape", e),
    close: token("Close", String.raw`\}`, { pop: true }),
    conditional: token("Conditional", ":?[-+?]", { pop: true, push: "operand" }),
    trim: token("Trim", "[#%]", { pop: true, push: "operand" }),
    replace: token("Replace", "//?", { pop: true, push: "pattern" }),
    patternEnd: token("PatternEnd", "/", { pop: true, push: "operand" }),
    badOperator: token("BadOperator", String.raw`:?[\s\S]`),
  };
}

/** The lexer over `tokens`. */
export function createWordLexer(t: WordTokens, { quotes }: WordDialect): Lexer {
  const dollars = [t.variable, t.open, t.dollar];
  const quoted = quotes ? [t.single, t.singleUnclosed, t.doubleOpen] : [];
  const ordinary = [...dollars, t.heredoc, t.less, t.escaped, t.escapeAtEnd, ...quoted];
  return {
    modes: {
      word: [t.wordText, ...ordinary],
      operand: [t.close, t.operandText, ...ordinary],
      pattern: [t.patternEnd, t.patternText, ...ordinary],
      operator: [t.close, t.conditional, t.trim, t.replace, t.badOperator],
      double: [t.doubleClose, t.doubleText, ...dollars, t.doubleEscaped, t.doubleEscape],
    },
    start: "word",
  };
}
