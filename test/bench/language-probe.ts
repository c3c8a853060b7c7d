/**
 * What `language.ts` runs in a fresh process: loads the frontend, compiles one Dockerfile cold, then warm, and prints
 * one line of JSON, times in milliseconds. Nothing at the top is loaded beyond Node's own, so that `loadMs` has it all.
 */
import { readFileSync } from "node:fs";

const WARM_RUNS = 30;

async function main(file: string): Promise<void> {
  const text = readFileSync(file, "utf8");
  const start = performance.now();
  const { readDockerfile } = await import("@tsbuild/dockerfile");
  const parserLoaded = performance.now();
  const { compile } = await import("@tsbuild/frontend");
  const { CannedImages, requestOfOptions } = await import("@tsbuild/frontend/debug");
  const loaded = performance.now();
  readDockerfile(text, { file });
  const parsed = performance.now();
  const request = requestOfOptions({ text, file }, {});
  const images = new CannedImages({
    "*": { image: { architecture: "", os: "", config: {}, rootfs: { type: "layers", diff_ids: [] } } },
  });
  await compile(request, images);
  const compiled = performance.now();
  const warm: number[] = [];
  for (let i = 0; i < WARM_RUNS; i++) {
    const before = performance.now();
    // `compile` parses, too.
    await compile(request, images);
    warm.push(performance.now() - before);
  }
  const times = {
    parserLoadMs: parserLoaded - start,
    loadMs: loaded - start,
    coldParseMs: parsed - loaded,
    coldCompileMs: compiled - parsed,
    warmMs: warm.sort((a, b) => a - b)[WARM_RUNS / 2] ?? Number.NaN,
  };
  process.stdout.write(`${JSON.stringify(times)}\n`);
}

void main(process.argv[2] ?? "Dockerfile");
