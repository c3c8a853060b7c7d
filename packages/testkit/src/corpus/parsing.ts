import { dumpDockerfile } from "@tsbuild/dockerfile";
import type { Corpus } from "./corpus.ts";
import { differences } from "./differences.ts";
import type { Tally } from "./tally.ts";

const SYNTAX = ["syntax", "check", "escape", "parserWarnings", "ast"];
const PROGRAM = ["metaArgs", "stages"];

type Parsed = Readonly<Record<string, unknown>>;

/** Verdict and lines have to agree; the texts of errors are our own. */
function errorLines(value: unknown): unknown {
  return value === undefined ? undefined : { lines: (value as { lines?: unknown }).lines ?? null };
}

function pick(value: Parsed, keys: readonly string[], error: string): Record<string, unknown> {
  const picked: Record<string, unknown> = { [error]: errorLines(value[error]) };
  for (const key of keys) picked[key] = value[key];
  return picked;
}

/** Compares the nodes (`parse`), stages and commands (`instructions`) of every Dockerfile, or the lines of the error. */
export function compareParsing(corpus: Corpus, tally: Tally): void {
  for (const { file, expected } of corpus.cases()) {
    const { parse } = expected;
    if (parse === undefined) continue;
    const got = dumpDockerfile(corpus.bytes(`dockerfiles/${file}`), { file }) as Parsed;
    const compare = (keys: readonly string[], error: string) =>
      differences(pick(parse, keys, error), pick(got, keys, error));
    tally.count("parse", file, compare(SYNTAX, "parseError"));
    if (parse["parseError"] === undefined)
      tally.count("instructions", file, compare(PROGRAM, "instructionsError"));
  }
}
