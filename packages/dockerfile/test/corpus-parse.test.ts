import { dumpDockerfile, type Json } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";
import { corpusBytes, corpusFiles, differences, hasCorpus, Tally } from "./corpus.ts";

const SYNTAX = ["syntax", "check", "escape", "parserWarnings", "ast"];
const PROGRAM = ["metaArgs", "stages"];

/** Verdict and lines have to agree; the texts of errors are our own. */
function errorLines(value: Json | undefined): Json | undefined {
  return value === undefined ? undefined : { lines: (value as { lines?: Json }).lines ?? null };
}

function pick(value: Record<string, Json>, keys: readonly string[], error: string): Record<string, unknown> {
  const picked: Record<string, unknown> = { [error]: errorLines(value[error]) };
  for (const key of keys) picked[key] = value[key];
  return picked;
}

describe.skipIf(!hasCorpus)("corpus", () => {
  const files = hasCorpus
    ? corpusFiles().map(({ file, expected }) => ({
        file,
        expected,
        got: dumpDockerfile(corpusBytes(`dockerfiles/${file}`), { file }),
      }))
    : [];

  it("parses every Dockerfile to the expected nodes", () => {
    const tally = new Tally("parse");
    for (const { file, expected, got } of files) {
      tally.add(file, differences(pick(expected, SYNTAX, "parseError"), pick(got, SYNTAX, "parseError")));
    }
    expect(tally.finish()).toBe("");
  });

  it("reads the expected stages and commands, or finds the error in the expected lines", () => {
    const tally = new Tally("instructions");
    for (const { file, expected, got } of files) {
      if (expected["parseError"] !== undefined) continue;
      const error = "instructionsError";
      tally.add(file, differences(pick(expected, PROGRAM, error), pick(got, PROGRAM, error)));
    }
    expect(tally.finish()).toBe("");
  });
});
