import { describe, expect, it } from "vitest";
import { argumentGrammar } from "../src/grammar/argument.ts";
import { createCsvLexer } from "../src/grammar/csv.ts";
import { WordGrammar } from "../src/grammar/word-parser.ts";

// In production the grammars are built without the checks of the generator; here they are built with them. The
// constructors throw on definition errors.
describe("grammars are valid", () => {
  for (const mark of ["\\", "`"] as const) {
    it(`words, escape ${mark}`, () => {
      for (const quotes of [true, false]) {
        const grammar = new WordGrammar({ escape: mark, quotes }, true);
        expect(grammar.parse("a${b:-c}d")).toHaveLength(3);
      }
    });

    it(`flags and pairs, escape ${mark}`, () => {
      for (const flags of [true, false]) {
        expect(argumentGrammar(mark, flags, true).lexer.lexerDefinitionErrors).toEqual([]);
      }
    });
  }

  it("lists of fields", () => {
    expect(createCsvLexer(true).lexerDefinitionErrors).toEqual([]);
  });
});
