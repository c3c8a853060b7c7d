import { type CustomPatternMatcherFunc, createToken, type Lexer, type TokenType } from "chevrotain";
import type { EscapeCharacter } from "../ast.ts";
import { createLexer, escapePattern } from "./lexer.ts";

/** What of the language of words can be switched. */
export interface WordDialect {
  readonly escape: EscapeCharacter;
  /** False: quotes are ordinary characters. */
  readonly quotes: boolean;
}

/** A parameter: a run of digits, one special character, or a name with letters of any script (FEATURES D037). */
const NAME = "(?:\\p{Nd}+|[@*#?$!-]|[\\p{L}_][\\p{L}\\p{Nd}_]*)";

/** A pattern with Unicode classes: the lexer generator drops the `u` flag, a function it takes as it is. */
function unicodePattern(source: string): CustomPatternMatcherFunc {
  const pattern = new RegExp(source, "uy");
  return (text, offset) => {
    pattern.lastIndex = offset;
    return pattern.exec(text);
  };
}

/** The text that may end a stretch of words: nothing, the `}` of an operand, the `/` of a pattern. */
type Mode = "word" | "operand" | "pattern" | "operator" | "double";

function token(
  name: string,
  pattern: RegExp | CustomPatternMatcherFunc,
  mode: { readonly push?: Mode; readonly pop?: boolean } = {},
): TokenType {
  return createToken({
    name,
    pattern,
    line_breaks: true,
    ...(mode.push === undefined ? {} : { push_mode: mode.push }),
    ...(mode.pop === true ? { pop_mode: true } : {}),
  });
}

export type WordTokens = ReturnType<typeof createWordTokens>;

/**
 * Tokens of a word as it is expanded (FEATURES D034–D038). Texts differ by mode, so that a `}` or `/` is only
 * special where one is awaited; a quote inside of `${…}` hides both.
 */
export function createWordTokens({ escape: mark, quotes }: WordDialect) {
  const e = escapePattern(mark);
  const q = quotes ? `'"` : "";
  const text = (name: string, stop: string) => token(name, new RegExp(`[^$<${q}${e}${stop}]+`));
  return {
    variable: token("Variable", unicodePattern(`\\$${NAME}`)),
    open: token("SubstitutionOpen", unicodePattern(`\\$\\{(?:${NAME})?`), { push: "operator" }),
    dollar: token("Dollar", /\$/),
    heredoc: token("HeredocMark", /<<[\t\r ]*/),
    less: token("Less", /</),
    escaped: token("Escaped", new RegExp(`${e}[^]`)),
    escapeAtEnd: token("EscapeAtEnd", new RegExp(e)),
    wordText: text("WordText", ""),
    operandText: text("OperandText", "}"),
    patternText: text("PatternText", "/"),
    single: token("SingleQuoted", /'[^']*'/),
    singleUnclosed: token("SingleUnclosed", /'[\s\S]*/),
    doubleOpen: token("DoubleOpen", /"/, { push: "double" }),
    doubleClose: token("DoubleClose", /"/, { pop: true }),
    doubleText: token("DoubleText", new RegExp(`[^$"${e}]+`)),
    doubleEscaped: token("DoubleEscaped", new RegExp(`${e}["$${e}]`)),
    doubleEscape: token("DoubleEscape", new RegExp(e)),
    close: token("Close", /\}/, { pop: true }),
    conditional: token("Conditional", /:?[-+?]/, { pop: true, push: "operand" }),
    trim: token("Trim", /[#%]/, { pop: true, push: "operand" }),
    replace: token("Replace", /\/\/?/, { pop: true, push: "pattern" }),
    patternEnd: token("PatternEnd", /\//, { pop: true, push: "operand" }),
    badOperator: token("BadOperator", /:?[\s\S]/),
  };
}

/** The lexer over `tokens`. */
export function createWordLexer(t: WordTokens, { quotes }: WordDialect, validate: boolean): Lexer {
  const dollars = [t.variable, t.open, t.dollar];
  const quoted = quotes ? [t.single, t.singleUnclosed, t.doubleOpen] : [];
  const ordinary = [...dollars, t.heredoc, t.less, t.escaped, t.escapeAtEnd, ...quoted];
  return createLexer(
    {
      word: [t.wordText, ...ordinary],
      operand: [t.close, t.operandText, ...ordinary],
      pattern: [t.patternEnd, t.patternText, ...ordinary],
      operator: [t.close, t.conditional, t.trim, t.replace, t.badOperator],
      double: [t.doubleClose, t.doubleText, ...dollars, t.doubleEscaped, t.doubleEscape],
    },
    "word",
    validate,
  );
}
