import { Corpus, compareWords, Tally } from "@tsbuild/testkit/corpus";
import { describe, expect, it } from "vitest";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

describe.skipIf(corpus.problem !== undefined)("corpus of words", () => {
  it("expands and splits as the tables expect", () => {
    const tally = new Tally();
    compareWords(corpus, tally);
    console.log(tally.summary("words"));
    expect(tally.score("words").all).toBeGreaterThan(0);
    expect(tally.problems("words")).toBe("");
  });
});
