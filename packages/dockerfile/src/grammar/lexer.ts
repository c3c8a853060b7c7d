import { type IToken, Lexer, type TokenType } from "chevrotain";
import type { EscapeCharacter } from "../ast.ts";

/**
 * How every lexer here is made. Only offsets are tracked: lines are known from the logical line. `safeMode` and
 * `skipValidations` save the analysis of all patterns at start-up; the tests build each grammar once with
 * `validate`.
 */
export function createLexer(
  modes: Readonly<Record<string, TokenType[]>>,
  defaultMode: string,
  validate: boolean,
): Lexer {
  return new Lexer(
    { modes: { ...modes }, defaultMode },
    {
      positionTracking: "onlyOffset",
      safeMode: true,
      ensureOptimizations: false,
      skipValidations: !validate,
    },
  );
}

/** One lexer per escape character, made when first used: most files need few of them. */
export function perEscape<T>(make: (mark: EscapeCharacter) => T): (mark: EscapeCharacter) => T {
  const made = new Map<EscapeCharacter, T>();
  return (mark) => {
    let value = made.get(mark);
    if (value === undefined) {
      value = make(mark);
      made.set(mark, value);
    }
    return value;
  };
}

/** The escape character inside a regular expression, in and out of a class. */
export function escapePattern(mark: EscapeCharacter): string {
  return mark === "\\" ? "\\\\" : "`";
}

/** All tokens of a text. The grammars here have a token for every text, so an error is a bug in them. */
export function tokenize(lexer: Lexer, text: string): IToken[] {
  const { tokens, errors } = lexer.tokenize(text);
  const first = errors[0];
  if (first !== undefined)
    throw new Error(`assertion failed: no token at offset ${first.offset}: ${first.message}`);
  return tokens;
}
