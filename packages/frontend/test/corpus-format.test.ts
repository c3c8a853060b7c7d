import { type Platform, TsbuildError } from "@tsbuild/base";
import { format } from "@tsbuild/dockerfile";
import { CannedImages, requestOfOptions } from "@tsbuild/frontend/debug";
import { Corpus } from "@tsbuild/testkit/corpus";
import { describe, expect, test } from "vitest";
import { compile } from "../src/compile.ts";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

/** What a file compiles to: the digests of all operations, and everything of the images; or that it is refused. */
async function outcome(request: Parameters<typeof compile>[0], images: CannedImages): Promise<string> {
  try {
    const { platforms } = await compile(request, images);
    const results = platforms.map(({ platform, graph, image, epochSeconds }) => ({
      platform: platform satisfies Platform,
      result: graph.result,
      vertices: graph.vertices.map((vertex) => vertex.digest),
      image,
      epochSeconds,
    }));
    return JSON.stringify(results, undefined, 1);
  } catch (error) {
    if (error instanceof TsbuildError) return `refused: ${error.code} ${isStyle(error) ? "style" : ""}`;
    throw error;
  }
}

/** `# check=error=true` and a warning of the casing of keywords, which formatting takes away. */
function isStyle(error: TsbuildError): boolean {
  return /Casing/.test(error.message);
}

function formatted(text: string): string | undefined {
  try {
    return format(text);
  } catch (error) {
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

describe.skipIf(corpus.problem !== undefined)("formatting the conformance corpus", () => {
  test("changes no operation and no image", async () => {
    const images = new CannedImages(corpus.images());
    const count = { files: 0, changed: 0, builds: 0, compiled: 0, cured: 0, unparsable: 0 };
    const differences: string[] = [];
    for (const { file, text, ignore, expected } of corpus.cases()) {
      count.files++;
      const other = formatted(text);
      if (other === undefined) count.unparsable++;
      if (other === undefined || other === text) continue;
      count.changed++;
      for (const build of expected.builds ?? []) {
        if (build.unstable) continue;
        const of = (version: string) =>
          requestOfOptions({ file: "Dockerfile", text: version, ignore }, build.opts ?? {}, build.platform);
        const before = await outcome(of(text), images);
        const after = await outcome(of(other), images);
        if (before.endsWith("style") && !after.startsWith("refused")) count.cured++;
        else if (before !== after) differences.push(file);
        count.builds++;
        if (!before.startsWith("refused")) count.compiled++;
      }
    }
    console.log(`format: ${JSON.stringify(count)}`);
    expect(differences).toEqual([]);
    expect(count.compiled).toBeGreaterThan(100);
  }, 300_000);
});
