import { Corpus, compareBuilds, compareCalls, Tally } from "@tsbuild/testkit/corpus";
import { beforeAll, describe, expect, test } from "vitest";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

const BUILDS = ["verdict", "lines", "llb", "meta", "image", "warnings"];
const CALLS = ["check", "outline", "targets"];

describe.skipIf(corpus.problem !== undefined)("conformance corpus", () => {
  const tally = new Tally();

  beforeAll(async () => {
    await compareBuilds(corpus, tally);
    await compareCalls(corpus, tally);
    console.log(
      `corpus: ${tally
        .categories()
        .map((name) => tally.summary(name))
        .join("; ")}`,
    );
  }, 300_000);

  test.each([...BUILDS, ...CALLS])("%s", (category) => {
    expect(tally.score(category).all).toBeGreaterThan(0);
    expect(tally.problems(category)).toBe("");
  });
});
