import {
  type BuildDump,
  CannedImages,
  dumpBuild,
  type ErrorDump,
  requestOfOptions,
  type WarningDump,
} from "@tsbuild/frontend/debug";
import type { Corpus, CorpusCase, ExpectedBuild } from "./corpus.ts";
import { differences } from "./differences.ts";
import type { Tally } from "./tally.ts";

/** Operations without `meta`, and the metas alone. */
function splitMeta(llb: unknown): { ops: unknown; metas: unknown } {
  const { ops, result } = llb as { ops: Record<string, unknown>[]; result: string | null };
  return {
    ops: { result, ops: ops.map(({ meta: _, ...op }) => op) },
    metas: ops.map((op) => op["meta"] ?? {}),
  };
}

/** Rules and lines of warnings; their texts are our own. */
export function compareWarnings(expected: readonly WarningDump[], got: readonly WarningDump[]): string[] {
  const shown = (warnings: readonly WarningDump[]) =>
    warnings.map(({ rule, lines: [start, end] }) => `${rule} ${start}-${end}`).sort();
  return differences(shown(expected), shown(got), "warnings");
}

/** Where upstream knows no place, any place is better; else ours are among those that it names. */
function lineDifferences(expected: ErrorDump, got: ErrorDump): string[] {
  const shown = (error: ErrorDump) => (error.lines ?? []).map(([start, end]) => `${start}-${end}`);
  const [wanted, actual] = [shown(expected), shown(got)];
  if (wanted.length === 0) return [];
  if (actual.length > 0 && actual.every((range) => wanted.includes(range))) return [];
  return [`expected ${expected.error} at ${wanted.join(" ")}; got ${got.error} at ${actual.join(" ")}`];
}

function placeOf({ file }: CorpusCase, { opts, platform }: ExpectedBuild): string {
  const options = Object.entries(opts ?? {}).map(([key, value]) => `${key}=${value}`);
  return [file, ...options, ...(platform ? [`[${platform}]`] : [])].join(" ");
}

/** A row of docs/differences.md that holds for many files. */
const SOURCE_LINES = "sources";

type Lines = readonly (readonly [number, number])[] | undefined;

/** Lines of sources as upstream has them, where it has only a part of ours. */
function withoutSourceLines(expected: unknown, got: unknown, ops: unknown): unknown {
  const sources = (ops as { ops: { op?: unknown }[] }).ops.map(({ op }) => op === "source");
  const wanted = expected as { lines?: Lines }[];
  return (got as { lines?: Lines }[]).map((meta, index) => {
    const own = new Set((meta.lines ?? []).map(String));
    const fewer = wanted[index]?.lines ?? [];
    return sources[index] && fewer.every((range) => own.has(String(range)))
      ? { ...meta, lines: wanted[index]?.lines }
      : meta;
  });
}

function compareMeta(
  tally: Tally,
  place: string,
  expected: ReturnType<typeof splitMeta>,
  actual: ReturnType<typeof splitMeta>,
): void {
  const found = differences(expected.metas, actual.metas);
  const rest = differences(expected.metas, withoutSourceLines(expected.metas, actual.metas, actual.ops));
  tally.count("meta", place, found, rest.length === 0 ? SOURCE_LINES : undefined);
}

function compareResult(tally: Tally, place: string, build: ExpectedBuild, got: BuildDump): void {
  const expected = splitMeta(build.llb);
  const actual = splitMeta(got.llb);
  tally.count("llb", place, differences(expected.ops, actual.ops));
  compareMeta(tally, place, expected, actual);
  const image = differences(build.image ?? {}, got.image ?? {});
  const epoch = differences(build.epoch, got.epoch, "epoch");
  const extras = differences(build.sbomExtras ?? [], got.sbomExtras ?? [], "sbomExtras");
  tally.count("image", place, [...image, ...epoch, ...extras]);
  tally.count("warnings", place, compareWarnings(build.warnings ?? [], got.warnings));
}

function compareBuild(tally: Tally, place: string, build: ExpectedBuild, got: BuildDump): void {
  const error = build.error ?? build.marshalError;
  if (error === undefined && got.error === undefined) {
    tally.count("verdict", place, []);
    compareResult(tally, place, build, got);
  } else if (error !== undefined && got.error !== undefined) {
    tally.count("verdict", place, []);
    tally.count("lines", place, lineDifferences(error, got.error));
  } else {
    const wanted = error === undefined ? "no error" : `the error ${error.error}`;
    tally.count("verdict", place, [`expected ${wanted}, got ${got.error?.error ?? "no error"}`]);
  }
}

/** Compiles every Dockerfile with each of its sets of options: verdicts, lines of errors, LLB, image config, warnings. */
export async function compareBuilds(corpus: Corpus, tally: Tally): Promise<void> {
  const resolver = new CannedImages(corpus.images());
  for (const file of corpus.cases()) {
    for (const build of file.expected.builds ?? []) {
      if (build.unstable) continue;
      const source = { file: "Dockerfile", text: file.text, ignore: file.ignore };
      const request = () => requestOfOptions(source, build.opts ?? {}, build.platform);
      const [got] = await dumpBuild(request, resolver);
      compareBuild(tally, placeOf(file, build), build, got!);
    }
  }
}
