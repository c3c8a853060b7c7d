import { Corpus, compareIgnore, Tally } from "@tsbuild/testkit/corpus";
import { describe, expect, it } from "vitest";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

describe.skipIf(corpus.problem !== undefined)("corpus of ignore patterns", () => {
  it("matches patterns, reads ignore files and keeps of a tree what the tables expect", () => {
    const tally = new Tally();
    compareIgnore(corpus, tally);
    console.log(tally.summary("ignore"));
    expect(tally.score("ignore").all).toBeGreaterThan(0);
    expect(tally.problems("ignore")).toBe("");
  });
});
