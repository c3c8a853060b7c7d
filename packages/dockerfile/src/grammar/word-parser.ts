import { type Lexer, type Token, type TokenType, tokenize } from "./lexer.ts";
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
 * Reads the tokens of one word, which `checkWord` found balanced, by recursive descent:
 *
 *     parts        = { text | escaped | quoted | variable | substitution }
 *     double       = '"' parts '"'
 *     substitution = "${" name ( "}" | ( conditional | trim ) parts "}" | replace parts "/" parts "}" )
 */
class WordReader {
  readonly #tokens: readonly Token[];
  readonly #types: WordTokens;
  #next = 0;

  constructor(tokens: readonly Token[], types: WordTokens) {
    this.#tokens = tokens;
    this.#types = types;
  }

  /** Up to a token of the type `end`, which is taken too; without one, to the end of the word. */
  parts(end?: TokenType): WordPart[] {
    const found: WordPart[] = [];
    for (let token = this.#take(); token !== undefined && token.type !== end; token = this.#take())
      found.push(this.#part(token));
    return found;
  }

  #take(): Token | undefined {
    return this.#tokens[this.#next++];
  }

  #part(token: Token): WordPart {
    const t = this.#types;
    const { type, text } = token;
    switch (type) {
      case t.variable:
        return { type: "variable", name: text.slice(1) };
      case t.open:
        return this.#substitution(text.slice(2));
      case t.doubleOpen:
        return { type: "double", parts: this.parts(t.doubleClose) };
      case t.single:
        return { type: "single", text: text.slice(1, -1) };
      case t.escaped:
      case t.escapeAtEnd:
      case t.doubleEscaped:
        return { type: "escaped", escape: text.slice(0, 1), text: text.slice(1) };
      case t.doubleEscape:
        return { type: "escape", text };
      case t.heredoc:
        return { type: "heredoc", text };
      default:
        return { type: "text", text };
    }
  }

  #substitution(name: string): Substitution {
    const t = this.#types;
    const operator = this.#take()!;
    if (operator.type === t.close) return substitution(name, "", [], []);
    const isReplace = operator.type === t.replace;
    const operand = this.parts(isReplace ? t.patternEnd : t.close);
    return substitution(name, operator.text, operand, isReplace ? this.parts(t.close) : []);
  }
}

function substitution(
  name: string,
  operator: string,
  operand: readonly WordPart[],
  replacement: readonly WordPart[],
): Substitution {
  return { type: "substitution", name, operator: operator as Substitution["operator"], operand, replacement };
}

/** Parsed words that are kept, and how long they may be: more than a real file has, and little memory. */
const MAX_KEPT = 2000;
const MAX_KEPT_LENGTH = 1000;

/** Lexer and parser of one dialect. */
export class WordGrammar {
  readonly #types: WordTokens;
  readonly #lexer: Lexer;
  /** The same words come again: ARGs in each FROM, each platform, each rebuild of a watched file. */
  readonly #kept = new Map<string, readonly WordPart[]>();

  constructor(dialect: WordDialect) {
    this.#types = createWordTokens(dialect);
    this.#lexer = createWordLexer(this.#types, dialect);
  }

  /** The parts of a word. Throws TSB_DOCKERFILE without a place: the caller knows where the word is. */
  parse(word: string): readonly WordPart[] {
    const kept = this.#kept.get(word);
    if (kept !== undefined) return kept;
    const tokens = tokenize(this.#lexer, word);
    checkWord(this.#types, tokens, word);
    const parts = new WordReader(tokens, this.#types).parts();
    if (word.length <= MAX_KEPT_LENGTH) this.#keep(word, parts);
    return parts;
  }

  #keep(word: string, parts: readonly WordPart[]): void {
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(word, parts);
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
