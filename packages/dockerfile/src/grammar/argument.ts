import { createToken, type IToken, type Lexer, type TokenType } from "chevrotain";
import type { EscapeCharacter } from "../ast.ts";
import { SPACE_CLASS } from "../space.ts";
import { createLexer, escapePattern, perEscape, tokenize } from "./lexer.ts";

// Two lists of words with quotes: flags, where quotes and escapes are resolved, and `key=value` pairs, where they
// stay for the expansion to resolve. A quote that is never closed runs to the end, in both (unlike in words that
// are expanded).

/** A word of an argument list and where it starts. */
export interface ArgumentWord {
  readonly text: string;
  readonly offset: number;
}

interface ArgumentGrammar {
  readonly lexer: Lexer;
  readonly blank: TokenType;
  /** The arguments after the last flag, blanks in front included. */
  readonly rest: TokenType;
  readonly escaped: TokenType;
  readonly escapeAtEnd: TokenType;
  readonly quotes: ReadonlySet<TokenType>;
}

/** `flags`: see above. Quoted text is its own mode, so that no single pattern runs over a whole hostile file. */
export function argumentGrammar(mark: EscapeCharacter, flags: boolean, validate = false): ArgumentGrammar {
  const e = escapePattern(mark);
  const token = (name: string, pattern: string, mode: { push_mode?: string; pop_mode?: boolean } = {}) =>
    createToken({ name, pattern: new RegExp(pattern), line_breaks: true, ...mode });
  const blank = token("Blank", flags ? `[${SPACE_CLASS}]+(?=--)` : `[${SPACE_CLASS}]+`);
  const rest = token("Rest", `[${SPACE_CLASS}]+(?![${SPACE_CLASS}]|--)[^]*`);
  const escaped = token("Escaped", `${e}[^]`);
  const escapeAtEnd = token("EscapeAtEnd", e);
  const plain = token("Plain", `[^${SPACE_CLASS}'"${e}]+`);
  const double = token("DoubleQuote", '"', { push_mode: "double" });
  const single = token("SingleQuote", "'", { push_mode: "single" });
  const doubleEnd = token("DoubleQuoteEnd", '"', { pop_mode: true });
  const singleEnd = token("SingleQuoteEnd", "'", { pop_mode: true });
  const inDouble = token("InDouble", `[^"${e}]+`);
  const inSingle = token("InSingle", flags ? `[^'${e}]+` : "[^']+");
  const escapes = [escaped, escapeAtEnd];
  const lexer = createLexer(
    {
      word: [blank, ...(flags ? [rest] : []), plain, ...escapes, double, single],
      double: [doubleEnd, inDouble, ...escapes],
      // Nothing can be escaped in the single quotes of a pair.
      single: [singleEnd, inSingle, ...(flags ? escapes : [])],
    },
    "word",
    validate,
  );
  return {
    lexer,
    blank,
    rest,
    escaped,
    escapeAtEnd,
    quotes: new Set([double, single, doubleEnd, singleEnd]),
  };
}

const flagGrammar = perEscape((mark) => argumentGrammar(mark, true));
const pairGrammar = perEscape((mark) => argumentGrammar(mark, false));

/** Collects the tokens of one word after the other. */
class WordCollector {
  readonly words: ArgumentWord[] = [];
  #parts: string[] = [];
  #offset = 0;
  #open = false;

  add(offset: number, text: string): void {
    if (!this.#open) this.#offset = offset;
    this.#open = true;
    this.#parts.push(text);
  }

  /** Ends the word; one that is empty without quotes (an escape character at the very end) is none. */
  end(): ArgumentWord | undefined {
    const word = { text: this.#parts.join(""), offset: this.#offset };
    const taken = this.#open;
    this.#parts = [];
    this.#open = false;
    if (!taken) return undefined;
    this.words.push(word);
    return word;
  }
}

/**
 * Flags at the start of the text after a keyword (FEATURES D018): their texts without quotes and escapes, and where
 * the arguments begin. A bare `--` ends them and is dropped.
 */
export function splitFlags(
  text: string,
  mark: EscapeCharacter,
): { readonly flags: readonly ArgumentWord[]; readonly restOffset: number } {
  if (!text.startsWith("--")) return { flags: [], restOffset: 0 };
  const grammar = flagGrammar(mark);
  const collector = new WordCollector();
  for (const token of tokenize(grammar.lexer, text)) {
    if (token.tokenType === grammar.blank || token.tokenType === grammar.rest) {
      const isTerminator = collector.end()?.text === "--";
      if (isTerminator) collector.words.pop();
      if (isTerminator || token.tokenType === grammar.rest) {
        return { flags: collector.words, restOffset: token.startOffset };
      }
      continue;
    }
    const image = flagText(grammar, token);
    if (image !== undefined) collector.add(token.startOffset, image);
  }
  if (collector.end()?.text === "--") collector.words.pop();
  return { flags: collector.words, restOffset: text.length };
}

function flagText(grammar: ArgumentGrammar, token: IToken): string | undefined {
  if (token.tokenType === grammar.escapeAtEnd) return undefined;
  if (token.tokenType === grammar.escaped) return token.image.slice(1);
  return grammar.quotes.has(token.tokenType) ? "" : token.image;
}

/** Words of ENV, LABEL and ARG (FEATURES D020): split at blanks outside of quotes; quotes and escapes kept. */
export function splitQuotedWords(text: string, mark: EscapeCharacter): readonly ArgumentWord[] {
  const grammar = pairGrammar(mark);
  const collector = new WordCollector();
  for (const token of tokenize(grammar.lexer, text)) {
    if (token.tokenType === grammar.blank) collector.end();
    else if (token.tokenType !== grammar.escapeAtEnd) collector.add(token.startOffset, token.image);
  }
  collector.end();
  return collector.words;
}
