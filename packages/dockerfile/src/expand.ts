import { textError } from "./error.ts";
import { refuseLong } from "./expanded-length.ts";
import { type Substitution, type WordPart, wordGrammar } from "./grammar/word-parser.ts";
import { patternWork, replacePattern, trimPrefix, trimSuffix } from "./shell-pattern.ts";
import { isSpace, SPACE_CLASS } from "./space.ts";
import type { ExpandedWord, ExpandedWords, VariableLookup, WordOptions } from "./word.ts";

/** An environment in which nothing is set. */
export const NO_VARIABLES: VariableLookup = new Map();
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Expands variables and resolves quotes and escapes; the result is one word, blanks and all (FEATURES D034–D043).
 * Throws TSB_DOCKERFILE without a place for what is malformed, and for `${x:?message}`.
 */
export function expandWord(word: string, env: VariableLookup, options: WordOptions = {}): ExpandedWord {
  if (isPlain(word, options)) return { text: word, matched: NO_NAMES, unmatched: NO_NAMES };
  const expansion = new Expansion(env, options);
  const text = expansion.text(parseWord(word, options), options.rawEscapes === true);
  options.spend?.(text.length);
  return { text, matched: expansion.matched, unmatched: expansion.unmatched };
}

/** Like `expandWord`, split afterwards at blanks that were not quoted. */
export function expandWords(word: string, env: VariableLookup, options: WordOptions = {}): ExpandedWords {
  if (isPlain(word, options)) return { words: splitPlain(word), matched: NO_NAMES, unmatched: NO_NAMES };
  const expansion = new Expansion(env, options);
  const words = expansion.words(parseWord(word, options), options.rawEscapes === true);
  options.spend?.(words.reduce((sum, one) => sum + one.length, 0));
  return { words, matched: expansion.matched, unmatched: expansion.unmatched };
}

const SPECIAL = { "\\": /[$'"\\\ufeff]/, "`": /[$'"`\ufeff]/ } as const;

const SEPARATOR = new RegExp(`<<[\\t\\r ]*|[${SPACE_CLASS}]+`, "g");

/** Splits a text without anything to resolve. Blanks after `<<` belong to the word, as in the grammar. */
function splitPlain(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (const { 0: separator, index } of text.matchAll(SEPARATOR)) {
    if (separator.startsWith("<<")) continue;
    if (index > start) words.push(text.slice(start, index));
    start = index + separator.length;
  }
  if (start < text.length) words.push(text.slice(start));
  return words;
}

/** Words with nothing in them to resolve need no grammar: most of a Dockerfile. */
function isPlain(word: string, options: WordOptions): boolean {
  return !SPECIAL[options.escape ?? "\\"].test(word);
}

function parseWord(word: string, options: WordOptions): readonly WordPart[] {
  const grammar = wordGrammar({ escape: options.escape ?? "\\", quotes: options.skipQuotes !== true });
  return grammar.parse(word.startsWith("\ufeff") ? word.slice(1) : word);
}

class Expansion {
  readonly matched = new Set<string>();
  readonly unmatched = new Set<string>();
  readonly #env: VariableLookup;
  readonly #skipUnset: boolean;
  readonly #rawQuotes: boolean;
  readonly #spend: WordOptions["spend"];

  constructor(env: VariableLookup, options: WordOptions) {
    this.#env = env;
    this.#skipUnset = options.skipUnset === true;
    this.#rawQuotes = options.rawQuotes === true;
    this.#spend = options.spend;
  }

  text(parts: readonly WordPart[], rawEscapes: boolean): string {
    let text = "";
    for (const part of parts) {
      text += this.#part(part, rawEscapes);
      refuseLong(text.length);
    }
    return text;
  }

  words(parts: readonly WordPart[], rawEscapes: boolean): string[] {
    const splitter = new WordSplitter();
    let length = 0;
    for (const part of parts) {
      const text = this.#part(part, rawEscapes);
      length += text.length;
      refuseLong(length);
      // What a variable brings is split like text; what was quoted or escaped is not.
      if (part.type === "text" || part.type === "variable" || part.type === "substitution")
        splitter.add(text);
      else splitter.addWhole(text);
    }
    return splitter.finish();
  }

  #part(part: WordPart, rawEscapes: boolean): string {
    switch (part.type) {
      case "text":
      case "heredoc":
        return part.text;
      case "escaped":
        return rawEscapes ? part.escape + part.text : part.text;
      case "escape":
        return rawEscapes ? part.text + part.text : part.text;
      case "single":
        return this.#rawQuotes ? `'${part.text}'` : part.text;
      case "double": {
        const text = this.text(part.parts, rawEscapes);
        return this.#rawQuotes ? `"${text}"` : text;
      }
      case "variable":
        return this.#lookup(part.name) ?? (this.#skipUnset ? `$${part.name}` : "");
      case "substitution":
        return this.#substitute(part);
    }
  }

  #lookup(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value;
  }

  #substitute(part: Substitution): string {
    const { name, operator } = part;
    const isPattern = operator === "#" || operator === "%" || operator.startsWith("/");
    // Operands are expanded whether they are used or not: an error in them counts.
    const operand = this.text(part.operand, isPattern);
    const replacement = this.text(part.replacement, true);
    const value = this.#lookup(name);
    if (isPattern) this.#spend?.(patternWork(value ?? "", operand));
    if (value === undefined && this.#skipUnset) return unexpanded(part, operand, replacement);
    switch (operator) {
      case "":
        return value ?? "";
      case "#":
      case "%":
        return trim(value ?? "", operator, operand);
      case "/":
      case "//":
        return replacePattern(value ?? "", operand, replacement, operator === "//");
      default:
        return conditional(name, operator, value, operand);
    }
  }
}

function conditional(name: string, operator: string, value: string | undefined, operand: string): string {
  const isSet = value !== undefined && !(operator.startsWith(":") && value === "");
  if (operator.endsWith("-")) return isSet ? value : operand;
  if (operator.endsWith("+")) return isSet ? operand : "";
  if (isSet) return value;
  const state = value === undefined ? "not set" : "empty";
  throw textError(
    `${name}: ${operand === "" ? `is ${state}` : operand}`,
    `${name} is ${state}: give it a value with ENV, ARG or --build-arg`,
  );
}

/** The operator doubled means the longest match; it may also come out of the expanded operand. */
function trim(value: string, operator: "#" | "%", operand: string): string {
  const longest = operand.startsWith(operator);
  const pattern = longest ? operand.slice(1) : operand;
  return operator === "#" ? trimPrefix(value, pattern, longest) : trimSuffix(value, pattern, longest);
}

function unexpanded(part: Substitution, operand: string, replacement: string): string {
  const tail = part.operator.startsWith("/") ? `${operand}/${replacement}` : operand;
  return `\${${part.name}${part.operator}${tail}}`;
}

/** Collects words; blanks end them only in text that may be split. */
class WordSplitter {
  readonly #words: string[] = [];
  #word = "";

  add(text: string): void {
    let start = 0;
    for (let index = 0; index < text.length; index++) {
      if (!isSpace(text.charCodeAt(index))) continue;
      this.#word += text.slice(start, index);
      this.#end();
      start = index + 1;
    }
    this.#word += text.slice(start);
  }

  addWhole(text: string): void {
    this.#word += text;
  }

  finish(): string[] {
    this.#end();
    return this.#words;
  }

  /** An empty word is none, even if quoted. */
  #end(): void {
    if (this.#word !== "") this.#words.push(this.#word);
    this.#word = "";
  }
}
