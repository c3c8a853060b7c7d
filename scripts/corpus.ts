/**
 * Compares tsbuild with a folder of expectations: `pnpm corpus [FOLDER]`. Prints passed and all per category and the
 * first differences. Exit status 0: nothing differs but what docs/differences.md lists.
 */
import { resolve } from "node:path";
import {
  Corpus,
  compareBuilds,
  compareCalls,
  compareIgnore,
  compareParsing,
  compareWords,
  Tally,
} from "@tsbuild/testkit/corpus";

/** Differences that are printed per category; the environment variable CORPUS_FAILURES says how many. */
const SHOWN = 5;

/** What each category compares, in the order of printing. */
const CATEGORIES: Readonly<Record<string, string>> = {
  parse: "syntax tree, directives, lines of parse errors",
  instructions: "typed instructions and stages, lines of their errors",
  verdict: "builds that are accepted or refused",
  lines: "lines of build errors",
  llb: "operations of the graph",
  meta: "names, lines and groups of operations",
  image: "image config",
  warnings: "lint warnings of builds: rule and lines",
  check: "lint warnings of all stages",
  outline: "--call=outline",
  targets: "--call=targets",
  words: "expansion and splitting of words",
  ignore: "ignore patterns and files",
};

async function compareAll(corpus: Corpus): Promise<Tally> {
  const tally = new Tally();
  compareParsing(corpus, tally);
  await compareBuilds(corpus, tally);
  await compareCalls(corpus, tally);
  compareWords(corpus, tally);
  compareIgnore(corpus, tally);
  return tally;
}

function scoreLine(tally: Tally, name: string, what: string): string {
  const { passed, all, onPurpose } = tally.score(name);
  const score = `${passed}/${all}`;
  const known = onPurpose === 0 ? "" : ` (${onPurpose} differ on purpose)`;
  return `${name.padEnd(13)}${score.padStart(11)}  ${what}${known}`;
}

function failureLines(tally: Tally, name: string, shown: number): string[] {
  const failures = tally.failures(name);
  const lines = failures
    .slice(0, shown)
    .flatMap(({ place, differences }) => [`  ${place}`, ...differences.map((text) => `    ${text}`)]);
  const more = failures.length > shown ? [`  … and ${failures.length - shown} more`] : [];
  return failures.length === 0 ? [] : ["", `${name}: ${failures.length} differ`, ...lines, ...more];
}

async function main(folder: string | undefined): Promise<number> {
  const corpus = folder === undefined ? new Corpus() : new Corpus(resolve(folder));
  if (corpus.problem !== undefined) {
    console.error(corpus.problem);
    return 2;
  }
  const startedAt = performance.now();
  const tally = await compareAll(corpus);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const names = Object.keys(CATEGORIES);
  console.log(`corpus ${corpus.root}, ${seconds} s`);
  for (const name of names) console.log(scoreLine(tally, name, CATEGORIES[name]!));
  const shown = Number(process.env["CORPUS_FAILURES"] ?? SHOWN);
  for (const line of names.flatMap((name) => failureLines(tally, name, shown))) console.log(line);
  const failed = names.reduce((sum, name) => sum + tally.failures(name).length, 0);
  console.log(failed === 0 ? "\nnothing differs but what docs/differences.md lists" : `\n${failed} differ`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
