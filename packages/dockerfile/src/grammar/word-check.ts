import type { IToken } from "chevrotain";
import { textError } from "../error.ts";
import type { WordTokens } from "./word-lexer.ts";

/**
 * Nesting of quotes and substitutions that a word may have. The parser recurses, and a file must not be able to
 * exhaust its stack; people nest three deep.
 */
const MAX_NESTING = 100;

/**
 * Finds what is wrong with a word (FEATURES D036), in one pass before it is parsed, so that messages can name what
 * was opened where and the parser only meets valid input.
 */
export function checkWord(t: WordTokens, tokens: readonly IToken[], word: string): void {
  const open: IToken[] = [];
  let operator: IToken | undefined;
  for (const token of tokens) {
    switch (token.tokenType) {
      case t.open:
      case t.doubleOpen:
        open.push(token);
        if (open.length > MAX_NESTING) throw tooDeep();
        break;
      case t.close:
        if (operator === undefined) checkPlain(open.at(-1), word);
        open.pop();
        break;
      case t.doubleClose:
        open.pop();
        break;
      case t.singleUnclosed:
        throw unclosedQuote(token, word);
      case t.badOperator:
        throw badOperator(open.at(-1), token, word);
      case t.conditional:
        checkName(open.at(-1), token, word);
        break;
    }
    operator = token.tokenType === t.open ? undefined : token;
  }
  const last = open.at(-1);
  if (last !== undefined) throw unclosed(t, last, tokens, word);
}

/** `${}`: a name is missing. */
function checkPlain(open: IToken | undefined, word: string): void {
  if (open?.image === "${") throw textError(`bad substitution in ${quote(word)}: ${at(open)} has no name`);
}

/** `${:-x}`: a name is missing. Without a colon, `-` and `?` would be the name. */
function checkName(open: IToken | undefined, operator: IToken, word: string): void {
  if (open?.image === "${" && operator.image.startsWith(":")) checkPlain(open, word);
}

function badOperator(open: IToken | undefined, token: IToken, word: string) {
  if (open?.image === "${" && (token.image.startsWith("{") || token.image.startsWith(":"))) {
    return textError(`bad substitution in ${quote(word)}: ${at(open)} has no name`);
  }
  return textError(
    `unsupported modifier ${quote(token.image)} after ${open?.image ?? "${"} in ${quote(word)}`,
    "supported: ${x:-word} ${x-word} ${x:+word} ${x+word} ${x:?text} ${x#pattern} ${x%pattern} ${x/pattern/text}",
  );
}

function unclosed(t: WordTokens, last: IToken, tokens: readonly IToken[], word: string) {
  if (last.tokenType === t.doubleOpen) return unclosedQuote(last, word);
  const after = tokens.slice(tokens.indexOf(last) + 1);
  const isReplace = after[0]?.tokenType === t.replace;
  const missing = isReplace && !after.some((token) => token.tokenType === t.patternEnd) ? '"/"' : '"}"';
  return textError(`missing ${missing} in ${quote(word)}: ${at(last)} is not closed`);
}

function unclosedQuote(token: IToken, word: string) {
  const mark = token.image[0] ?? "";
  return textError(
    `quote ${mark} in ${quote(word)} is not closed (character ${token.startOffset + 1})`,
    `close it, or escape it to mean the character itself`,
  );
}

function tooDeep() {
  return textError(`quotes and \${…} are nested more than ${MAX_NESTING} deep`);
}

function at(token: IToken): string {
  return `${token.image} (character ${token.startOffset + 1})`;
}

/** The word for a message, shortened. */
function quote(word: string): string {
  return JSON.stringify(word.length > 80 ? `${word.slice(0, 77)}…` : word);
}
