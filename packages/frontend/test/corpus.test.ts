import { TsbuildError } from "@tsbuild/base";
import { beforeAll, describe, expect, test } from "vitest";
import type { Compiled, CompiledPlatform, Warning } from "../src/api.ts";
import { compile } from "../src/compile.ts";
import { dumpGraph } from "../src/debug/dump-graph.ts";
import { firstDifference } from "./corpus/compare.ts";
import {
  CannedResolver,
  type CorpusCase,
  corpusRoot,
  differsOnPurpose,
  type ExpectedBuild,
  type ExpectedWarning,
  hasCorpus,
  readCorpus,
  requestOf,
} from "./corpus/corpus.ts";

if (!hasCorpus) console.log(`skipped: no conformance corpus at ${corpusRoot}`);

type Category = "verdict" | "lines" | "llb" | "meta" | "image" | "warnings" | "check";

/** Passed and all per category, and what went wrong. */
class Tally {
  readonly passed = new Map<Category, number>();
  readonly all = new Map<Category, number>();
  readonly failures: { readonly category: Category; readonly text: string }[] = [];

  /** A case that `docs/differences.md` names must differ, every other one must not. */
  count(category: Category, place: string, difference: string | undefined): void {
    this.all.set(category, (this.all.get(category) ?? 0) + 1);
    const onPurpose = differsOnPurpose(category, place);
    if (difference === undefined) this.passed.set(category, (this.passed.get(category) ?? 0) + 1);
    if ((difference === undefined) !== onPurpose) return;
    this.failures.push({ category, text: `${place}: ${difference ?? "agrees, but is listed as different"}` });
  }

  report(): string {
    const rows = Array.from(
      this.all,
      ([category, all]) => `${category} ${this.passed.get(category) ?? 0}/${all}`,
    );
    return rows.join(", ");
  }
}

/** `ops` without `meta`, and the metas alone. */
function splitMeta(llb: unknown): { ops: unknown; metas: unknown } {
  const { ops, result } = llb as { ops: Record<string, unknown>[]; result: string | null };
  return {
    ops: { result, ops: ops.map(({ meta: _, ...op }) => op) },
    metas: ops.map((op) => op["meta"] ?? {}),
  };
}

/** Go writes a list that was never made as null; the specification wants a list. */
function withoutNull({ created: _, ...image }: Record<string, unknown>): Record<string, unknown> {
  const rootfs = image["rootfs"] as { diff_ids: unknown } | undefined;
  return rootfs === undefined ? image : { ...image, rootfs: { ...rootfs, diff_ids: rootfs.diff_ids ?? [] } };
}

function compareResult(tally: Tally, place: string, build: ExpectedBuild, platform: CompiledPlatform): void {
  const expected = splitMeta(build.llb);
  const actual = splitMeta(JSON.parse(JSON.stringify(dumpGraph(platform.graph))));
  tally.count("llb", place, firstDifference(expected.ops, actual.ops));
  tally.count("meta", place, firstDifference(expected.metas, actual.metas));
  const { created: _, ...image } = JSON.parse(JSON.stringify(platform.image)) as Record<string, unknown>;
  tally.count("image", place, firstDifference(withoutNull(build.image ?? {}), image));
  expect(platform.epochSeconds, place).toBe(build.epoch);
}

function compareError(tally: Tally, place: string, build: ExpectedBuild, error: TsbuildError): void {
  const expected = (build.error ?? build.marshalError)!;
  tally.count("verdict", place, undefined);
  const lines = expected.lines?.map(([start, end]) => `${start}-${end}`) ?? [];
  const ranges = error.source?.ranges.map(({ start, end }) => `${start}-${end}`) ?? [];
  // Where upstream knows no place, any place is better.
  const wrong = lines.length > 0 && !ranges.every((range) => lines.includes(range));
  const missing = lines.length > 0 && ranges.length === 0;
  const shown = `${expected.error} at ${lines.join(" ")}; got ${error.message} at ${ranges.join(" ")}`;
  tally.count("lines", place, wrong || missing ? shown : undefined);
}

function warningsDifference(
  expectedWarnings: readonly ExpectedWarning[],
  warnings: readonly Warning[],
): string | undefined {
  const shown = (rule: string, start: number, end: number) => `${rule} ${start}-${end}`;
  const expected = expectedWarnings.map(({ rule, lines }) => shown(rule, lines[0], lines[1])).sort();
  const actual = warnings
    .map(({ rule, ranges }) => shown(rule, ranges[0]?.start ?? 0, ranges[0]?.end ?? 0))
    .sort();
  return firstDifference(expected, actual);
}

async function attempt(
  file: CorpusCase,
  build: ExpectedBuild,
  allStages = false,
): Promise<Compiled | TsbuildError> {
  try {
    return await compile({ ...requestOf(file, build), allStages }, new CannedResolver());
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw new Error(`${file.file}: not an expected failure`, { cause: error });
  }
}

async function runBuild(tally: Tally, file: CorpusCase, build: ExpectedBuild): Promise<void> {
  const opts = Object.entries(build.opts ?? {}).map(([key, value]) => `${key}=${value}`);
  const place = [file.file, ...opts, ...(build.platform ? [`[${build.platform}]`] : [])].join(" ");
  const expectedError = build.error ?? build.marshalError;
  const result = await attempt(file, build);
  if (expectedError !== undefined) {
    if (result instanceof TsbuildError) compareError(tally, place, build, result);
    else tally.count("verdict", place, `expected the error ${expectedError.error}`);
    return;
  }
  if (result instanceof TsbuildError) {
    tally.count("verdict", place, `unexpected error: ${result.message}`);
    return;
  }
  tally.count("verdict", place, undefined);
  compareResult(tally, place, build, result.platforms[0]!);
  tally.count("warnings", place, warningsDifference(build.warnings ?? [], result.warnings));
}

/** `--check`: all stages, with the options of the first build. Errors are compared with the builds already. */
async function runCheck(tally: Tally, file: CorpusCase): Promise<void> {
  const { lint } = file;
  if (lint.unstable || lint.buildError !== undefined) return;
  const result = await attempt(file, file.builds[0] ?? {}, true);
  const difference =
    result instanceof TsbuildError
      ? `unexpected error: ${result.message}`
      : warningsDifference(lint.warnings ?? [], result.warnings);
  tally.count("check", file.file, difference);
}

describe.runIf(hasCorpus)("conformance corpus", () => {
  const tally = new Tally();

  beforeAll(async () => {
    for (const file of readCorpus()) {
      for (const build of file.builds) if (!build.unstable) await runBuild(tally, file, build);
      await runCheck(tally, file);
    }
    console.log(`corpus: ${tally.report()}`);
    const shown = Number(process.env["CORPUS_FAILURES"] ?? 3);
    for (const category of tally.all.keys()) {
      const failures = tally.failures.filter((failure) => failure.category === category);
      for (const { text } of failures.slice(0, shown)) console.log(`${category}: ${text}`);
    }
  }, 120_000);

  test.each<Category>(["verdict", "lines", "llb", "meta", "image", "warnings", "check"])("%s", (category) => {
    const failures = tally.failures.filter((failure) => failure.category === category);
    expect(failures.map(({ text }) => text)).toEqual([]);
  });
});
