import { EmbeddedActionsParser, type IToken, type Lexer, type ParserMethod } from "chevrotain";
import { tokenize } from "./lexer.ts";
import { checkWord } from "./word-check.ts";
import { createWordLexer, createWordTokens, type WordDialect, type WordTokens } from "./word-lexer.ts";

/** A piece of a word. What quotes and escapes leave behind is up to the one who expands. */
export type WordPart =
  /** Ordinary text. */
  | { readonly type: "text"; readonly text: string }
  /** `<<` with the blanks after it, which do not split words. */
  | { readonly type: "heredoc"; readonly text: string }
  /** A character after the escape character; `""` at the end of the word. */
  | { readonly type: "escaped"; readonly escape: string; readonly text: string }
  | { readonly type: "single"; readonly text: string }
  | { readonly type: "double"; readonly parts: readonly WordPart[] }
  /** In double quotes: an escape character that protects nothing. */
  | { readonly type: "escape"; readonly text: string }
  | { readonly type: "variable"; readonly name: string }
  | Substitution;

/** `${name}` and its forms. */
export interface Substitution {
  readonly type: "substitution";
  readonly name: string;
  /** `""` for the plain form. */
  readonly operator: "" | "-" | "+" | "?" | ":-" | ":+" | ":?" | "#" | "%" | "/" | "//";
  readonly operand: readonly WordPart[];
  /** With `/` and `//` only. */
  readonly replacement: readonly WordPart[];
}

/**
 * The grammar of a word, over tokens that `checkWord` found balanced:
 *
 *     parts        = { text | escaped | quoted | variable | substitution }
 *     double       = '"' parts '"'
 *     substitution = "${" name ( "}" | ( conditional | trim ) parts "}" | replace parts "/" parts "}" )
 */
class WordParser extends EmbeddedActionsParser {
  readonly #tokens: WordTokens;

  constructor(tokens: WordTokens, validate: boolean) {
    super(Object.values(tokens), { maxLookahead: 1, skipValidations: !validate, recoveryEnabled: false });
    this.#tokens = tokens;
    this.performSelfAnalysis();
  }

  readonly parts: ParserMethod<[], WordPart[]> = this.RULE("parts", () => {
    const found: WordPart[] = [];
    this.MANY(() => {
      found.push(this.SUBRULE(this.part));
    });
    return found;
  });

  readonly part: ParserMethod<[], WordPart> = this.RULE("part", () => {
    const t = this.#tokens;
    return this.OR([
      { ALT: () => textPart(this.CONSUME(t.wordText)) },
      { ALT: () => textPart(this.CONSUME(t.operandText)) },
      { ALT: () => textPart(this.CONSUME(t.patternText)) },
      { ALT: () => textPart(this.CONSUME(t.doubleText)) },
      { ALT: () => textPart(this.CONSUME(t.dollar)) },
      { ALT: () => textPart(this.CONSUME(t.less)) },
      { ALT: (): WordPart => ({ type: "heredoc", text: this.CONSUME(t.heredoc).image }) },
      { ALT: () => escapedPart(this.CONSUME(t.escaped)) },
      { ALT: () => escapedPart(this.CONSUME(t.escapeAtEnd)) },
      { ALT: () => escapedPart(this.CONSUME(t.doubleEscaped)) },
      { ALT: (): WordPart => ({ type: "escape", text: this.CONSUME(t.doubleEscape).image }) },
      { ALT: (): WordPart => ({ type: "single", text: this.CONSUME(t.single).image.slice(1, -1) }) },
      { ALT: (): WordPart => ({ type: "variable", name: this.CONSUME(t.variable).image.slice(1) }) },
      { ALT: () => this.SUBRULE(this.double) },
      { ALT: () => this.SUBRULE(this.substitution) },
    ]);
  });

  readonly double: ParserMethod<[], WordPart> = this.RULE("double", (): WordPart => {
    this.CONSUME(this.#tokens.doubleOpen);
    const parts = this.SUBRULE(this.parts);
    this.CONSUME(this.#tokens.doubleClose);
    return { type: "double", parts };
  });

  readonly substitution: ParserMethod<[], WordPart> = this.RULE("substitution", () => {
    const t = this.#tokens;
    const name = this.CONSUME(t.open).image.slice(2);
    return this.OR([
      {
        ALT: () => {
          this.CONSUME(t.close);
          return substitution(name, "", []);
        },
      },
      { ALT: () => substitution(name, this.CONSUME(t.conditional).image, this.SUBRULE(this.operand)) },
      { ALT: () => substitution(name, this.CONSUME(t.trim).image, this.SUBRULE1(this.operand)) },
      {
        ALT: () => {
          const operator = this.CONSUME(t.replace).image;
          const pattern = this.SUBRULE(this.parts);
          this.CONSUME(t.patternEnd);
          return substitution(name, operator, pattern, this.SUBRULE2(this.operand));
        },
      },
    ]);
  });

  readonly operand: ParserMethod<[], WordPart[]> = this.RULE("operand", () => {
    const parts = this.SUBRULE(this.parts);
    this.CONSUME(this.#tokens.close);
    return parts;
  });
}

function textPart(token: IToken): WordPart {
  return { type: "text", text: token.image };
}

function escapedPart(token: IToken): WordPart {
  return { type: "escaped", escape: token.image.slice(0, 1), text: token.image.slice(1) };
}

function substitution(
  name: string,
  operator: string,
  operand: readonly WordPart[],
  replacement: readonly WordPart[] = [],
): Substitution {
  return { type: "substitution", name, operator: operator as Substitution["operator"], operand, replacement };
}

/** Parsed words that are kept, and up to which length: FROM lines are expanded several times, and every platform expands all. */
const MAX_KEPT = 2_000;
const MAX_KEPT_LENGTH = 4_096;

/** Lexer and parser of one dialect. */
export class WordGrammar {
  readonly #tokens: WordTokens;
  readonly #lexer: Lexer;
  readonly #parser: WordParser;
  readonly #kept = new Map<string, readonly WordPart[]>();

  /** `validate` checks the grammar itself: for tests. */
  constructor(dialect: WordDialect, validate = false) {
    this.#tokens = createWordTokens(dialect);
    this.#lexer = createWordLexer(this.#tokens, dialect, validate);
    this.#parser = new WordParser(this.#tokens, validate);
  }

  /** The parts of a word. Throws TSB_DOCKERFILE without a place: the caller knows where the word is. */
  parse(word: string): readonly WordPart[] {
    const kept = this.#kept.get(word);
    if (kept !== undefined) return kept;
    const parts = this.#parse(word);
    if (this.#kept.size < MAX_KEPT && word.length <= MAX_KEPT_LENGTH) this.#kept.set(word, parts);
    return parts;
  }

  #parse(word: string): readonly WordPart[] {
    const tokens = tokenize(this.#lexer, word);
    checkWord(this.#tokens, tokens, word);
    this.#parser.input = tokens;
    const parts = this.#parser.parts();
    const error = this.#parser.errors[0];
    if (error !== undefined) throw new Error(`assertion failed: ${error.message} in ${JSON.stringify(word)}`);
    return parts;
  }
}

const grammars = new Map<string, WordGrammar>();

/** The grammar of a dialect, made when first used: most words need none (see `expandWord`). */
export function wordGrammar(dialect: WordDialect): WordGrammar {
  const key = `${dialect.escape}${dialect.quotes}`;
  let grammar = grammars.get(key);
  if (grammar === undefined) {
    grammar = new WordGrammar(dialect);
    grammars.set(key, grammar);
  }
  return grammar;
}
