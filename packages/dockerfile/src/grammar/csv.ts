import { createToken, type IToken, type Lexer } from "chevrotain";
import { textError } from "../error.ts";
import { createLexer, tokenize } from "./lexer.ts";

// Fields of `--mount` and `--device`: RFC 4180 on one line. A quote is special at the start of a field only, where
// it must go around the whole field.

const Comma = createToken({ name: "Comma", pattern: /,/ });
// One way only to read any text: a repetition within a repetition would take exponential time on an open quote.
const Quoted = createToken({ name: "Quoted", pattern: /"[^"]*(?:""[^"]*)*"(?![^,])/, line_breaks: true });
const Bare = createToken({ name: "Bare", pattern: /[^",]+/, line_breaks: true });
const Stray = createToken({ name: "Stray", pattern: /"/ });

/** Exported for the test that validates it. */
export function createCsvLexer(validate = false): Lexer {
  return createLexer({ fields: [Comma, Quoted, Bare, Stray] }, "fields", validate);
}

let lexer: Lexer | undefined;

/** The fields of a list. Throws TSB_DOCKERFILE without a place on an empty list and on stray quotes. */
export function splitCsv(text: string): string[] {
  if (text === "") throw textError("the list of key=value fields is empty");
  lexer ??= createCsvLexer();
  const fields = [""];
  let isFieldStart = true;
  for (const token of tokenize(lexer, text.replace(/\r?\n$/, ""))) {
    if (token.tokenType === Comma) fields.push("");
    else if (token.tokenType === Stray || (token.tokenType === Quoted && !isFieldStart))
      throw strayQuote(token, text);
    else fields[fields.length - 1] += token.tokenType === Quoted ? unquote(token) : token.image;
    isFieldStart = token.tokenType === Comma;
  }
  return fields;
}

function unquote(token: IToken): string {
  return token.image.slice(1, -1).replaceAll('""', '"');
}

function strayQuote(token: IToken, text: string) {
  return textError(
    `the quote at character ${token.startOffset + 1} of ${JSON.stringify(text)} is out of place`,
    'quote a whole field and double the quotes in it: "source=a ""b"""',
  );
}
