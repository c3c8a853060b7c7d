import type { EscapeCharacter } from "../ast.ts";

// A lexer with modes, as small as the grammars here need it. Generated ones take longer to load and to analyse their
// patterns than a whole Dockerfile takes to be read: with chevrotain the first compile of a process took 30 ms more.

/** A kind of token. A pattern must not match the empty text. */
export interface TokenType {
  readonly name: string;
  /** Sticky. */
  readonly pattern: RegExp;
  /** The mode in which the text after the token is read. */
  readonly push?: string | undefined;
  /** True: the mode of the token ends with it. With `push`, the new mode takes its place. */
  readonly pop?: boolean | undefined;
}

export interface Token {
  readonly type: TokenType;
  readonly text: string;
  readonly offset: number;
}

export interface TokenOptions {
  readonly push?: string;
  readonly pop?: boolean;
  /** For patterns with Unicode classes. */
  readonly unicode?: boolean;
}

export function tokenType(name: string, pattern: string, options: TokenOptions = {}): TokenType {
  const { push, pop, unicode } = options;
  return { name, pattern: new RegExp(pattern, unicode === true ? "uy" : "y"), push, pop };
}

/** Tokens of each mode; the first one that matches is taken. */
export interface Lexer {
  readonly modes: Readonly<Record<string, readonly TokenType[]>>;
  readonly start: string;
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

function matchAt(types: readonly TokenType[], text: string, offset: number): Token | undefined {
  for (const type of types) {
    type.pattern.lastIndex = offset;
    if (type.pattern.test(text)) return { type, text: text.slice(offset, type.pattern.lastIndex), offset };
  }
  return undefined;
}

/** All tokens of a text. The grammars here have a token for every text, so that there is none is a bug in them. */
export function tokenize({ modes, start }: Lexer, text: string): Token[] {
  const tokens: Token[] = [];
  const stack = [start];
  for (let offset = 0; offset < text.length; ) {
    const token = matchAt(modes[stack.at(-1) ?? start]!, text, offset);
    if (token === undefined || token.text === "")
      throw new Error(`assertion failed: no token at offset ${offset}, mode ${stack.at(-1)}`);
    tokens.push(token);
    if (token.type.pop === true) stack.pop();
    if (token.type.push !== undefined) stack.push(token.type.push);
    offset += token.text.length;
  }
  return tokens;
}
