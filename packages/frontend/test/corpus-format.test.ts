import { TsbuildError } from "@tsbuild/base";
import { format } from "@tsbuild/dockerfile";
import { describe, expect, test } from "vitest";
import { compile } from "../src/compile.ts";
import { firstDifference } from "./corpus/compare.ts";
import {
  CannedResolver,
  type CorpusCase,
  corpusRoot,
  type ExpectedBuild,
  hasCorpus,
  readCorpus,
  requestOf,
} from "./corpus/corpus.ts";

if (!hasCorpus) console.log(`skipped: no conformance corpus at ${corpusRoot}`);

/** What a file compiles to: the digests of all operations, and everything of the images; or that it is refused. */
async function outcome(file: CorpusCase, build: ExpectedBuild): Promise<unknown> {
  try {
    const { platforms } = await compile(requestOf(file, build), new CannedResolver());
    return platforms.map(({ platform, graph, image, epochSeconds }) => ({
      platform,
      result: graph.result ?? null,
      vertices: [...graph.vertices.keys()],
      image: JSON.parse(JSON.stringify(image)) as unknown,
      epochSeconds,
    }));
  } catch (error) {
    if (error instanceof TsbuildError) return { refused: error.code };
    throw error;
  }
}

function formatted(file: CorpusCase): string | undefined {
  try {
    return format(file.text);
  } catch (error) {
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

describe.runIf(hasCorpus)("formatting the conformance corpus", () => {
  test("changes no operation and no image", async () => {
    const count = { builds: 0, compiled: 0, changed: 0, unparsable: 0 };
    const differences: string[] = [];
    for (const file of readCorpus()) {
      const text = formatted(file);
      if (text === undefined) count.unparsable++;
      if (text === undefined || text === file.text) continue;
      count.changed++;
      for (const build of file.builds) {
        if (build.unstable) continue;
        const before = await outcome(file, build);
        const difference = firstDifference(before, await outcome({ ...file, text }, build));
        if (difference !== undefined) differences.push(`${file.file}: ${difference}`);
        count.builds++;
        if (Array.isArray(before)) count.compiled++;
      }
    }
    console.log(`format: ${JSON.stringify(count)}`);
    expect(differences).toEqual([]);
    expect(count.compiled).toBeGreaterThan(100);
  }, 120_000);
});
