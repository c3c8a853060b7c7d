import { textError } from "../error.ts";
import { type Lexer, type Token, tokenize, tokenType } from "./lexer.ts";

// Fields of `--mount` and `--device`: RFC 4180 on one line. A quote is special at the start of a field only, where
// it must go around the whole field.

const comma = tokenType("Comma", ",");
// One way only to read any text: a repetition within a repetition would take exponential time on an open quote.
const quoted = tokenType("Quoted", '"[^"]*(?:""[^"]*)*"(?![^,])');
const bare = tokenType("Bare", '[^",]+');
const stray = tokenType("Stray", '"');

const lexer: Lexer = { modes: { fields: [comma, quoted, bare, stray] }, start: "fields" };

/** The fields of a list. Throws TSB_DOCKERFILE without a place on an empty list and on stray quotes. */
export function splitCsv(text: string): string[] {
  if (text === "") throw textError("the list of key=value fields is empty");
  const fields = [""];
  let isFieldStart = true;
  for (const token of tokenize(lexer, text.replace(/\r?\n$/, ""))) {
    if (token.type === comma) fields.push("");
    else if (token.type === stray || (token.type === quoted && !isFieldStart)) throw strayQuote(token, text);
    else fields[fields.length - 1] += token.type === quoted ? unquote(token) : token.text;
    isFieldStart = token.type === comma;
  }
  return fields;
}

function unquote(token: Token): string {
  return token.text.slice(1, -1).replaceAll('""', '"');
}

function strayQuote(token: Token, text: string) {
  return textError(
    `the quote at character ${token.offset + 1} of ${JSON.stringify(text)} is out of place`,
    'quote a whole field and double the quotes in it: "source=a ""b"""',
  );
}
