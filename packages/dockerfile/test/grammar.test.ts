import { describe, expect, it } from "vitest";
import { splitQuotedWords } from "../src/grammar/argument.ts";
import { tokenize, tokenType } from "../src/grammar/lexer.ts";
import { createWordLexer, createWordTokens } from "../src/grammar/word-lexer.ts";
import { WordGrammar } from "../src/grammar/word-parser.ts";

describe("tokens", () => {
  const open = tokenType("Open", "\\(", { push: "inner" });
  const close = tokenType("Close", "\\)", { pop: true });
  const swap = tokenType("Swap", "/", { pop: true, push: "outer" });
  const text = tokenType("Text", "[^()/]+");
  const lexer = { modes: { outer: [open, text, close], inner: [close, swap, open, text] }, start: "outer" };

  it("are read in the mode that the ones before them leave", () => {
    const names = tokenize(lexer, "a(b/c)d").map((token) => token.type.name);
    expect(names).toEqual(["Text", "Open", "Text", "Swap", "Text", "Close", "Text"]);
  });

  it("carry their offsets and cover the text", () => {
    const tokens = tokenize(lexer, "ab(c)");
    expect(tokens.map(({ offset }) => offset)).toEqual([0, 2, 3, 4]);
    expect(tokens.map((token) => token.text).join("")).toBe("ab(c)");
  });

  it("missing for a text are a bug of the grammar, told with the place", () => {
    expect(() => tokenize(lexer, "a/")).toThrow(/no token at offset 1, mode outer/);
  });
});

describe("words", () => {
  // Every character that means something, next to every other: there is a token for each text.
  const characters = [
    "$",
    "{",
    "}",
    "<",
    "'",
    '"',
    "\\",
    "`",
    ":",
    "-",
    "/",
    "#",
    " ",
    "\n",
    "a",
    "é",
    "😀",
    "0",
  ];
  const texts = characters.flatMap((a) => characters.flatMap((b) => characters.map((c) => a + b + c)));

  for (const mark of ["\\", "`"] as const) {
    for (const quotes of [true, false]) {
      it(`have tokens whatever is in them: escape ${mark}, quotes ${quotes}`, () => {
        const dialect = { escape: mark, quotes };
        const lexer = createWordLexer(createWordTokens(dialect), dialect);
        for (const text of texts)
          for (const word of [text, `\${x${text}`, `"${text}`, `\${x/${text}`])
            expect(
              tokenize(lexer, word)
                .map((token) => token.text)
                .join(""),
            ).toBe(word);
      });
    }

    it(`in arguments, too: escape ${mark}`, () => {
      for (const text of texts) expect(() => splitQuotedWords(text, mark)).not.toThrow();
    });
  }

  it("are parsed once, however often they come", () => {
    const grammar = new WordGrammar({ escape: "\\", quotes: true });
    const parts = grammar.parse("a${b:-c}d");
    expect(parts).toHaveLength(3);
    expect(grammar.parse("a${b:-c}d")).toBe(parts);
  });

  it("that are wrong fail every time", () => {
    const grammar = new WordGrammar({ escape: "\\", quotes: true });
    for (let i = 0; i < 2; i++) expect(() => grammar.parse("a${b")).toThrow(/not closed/);
  });
});
