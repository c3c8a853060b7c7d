import { Corpus, compareParsing, Tally } from "@tsbuild/testkit/corpus";
import { beforeAll, describe, expect, it } from "vitest";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

describe.skipIf(corpus.problem !== undefined)("corpus", () => {
  const tally = new Tally();
  beforeAll(() => compareParsing(corpus, tally));

  it.each([
    ["parse", "every Dockerfile to the expected nodes"],
    ["instructions", "the expected stages and commands, or the error in the expected lines"],
  ])("%s: %s", (category) => {
    console.log(tally.summary(category));
    expect(tally.score(category).all).toBeGreaterThan(0);
    expect(tally.problems(category)).toBe("");
  });
});
