import { TsbuildError } from "@tsbuild/base";
import { type EscapeCharacter, expandWord, expandWords, type WordOptions } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";
import { corpusTable, corpusText, differences, hasCorpus, Tally } from "./corpus.ts";

function environment(pairs: readonly string[]): Map<string, string> {
  return new Map(
    pairs.map((pair): [string, string] => {
      const equals = pair.indexOf("=");
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

/** The result, or `error` for what the user got wrong; anything else thrown is a bug. */
function attempt<T>(run: () => T): T | { readonly error: true } {
  try {
    return run();
  } catch (error) {
    if (error instanceof TsbuildError && error.code === "TSB_DOCKERFILE") return { error: true };
    throw error;
  }
}

function optionsOf(mode: string, mark: string): WordOptions {
  const modes = mode.split(",");
  return {
    escape: mark as EscapeCharacter,
    skipUnset: modes.includes("skipunset"),
    rawQuotes: modes.includes("rawquotes"),
    rawEscapes: modes.includes("rawescapes"),
    skipQuotes: modes.includes("skipquotes"),
  };
}

describe.skipIf(!hasCorpus)("corpus of words", () => {
  it("expands and splits as shell-words.tsv expects", () => {
    const tally = new Tally("words");
    for (const row of corpusTable("shell-words.tsv")) {
      const env = environment(JSON.parse(row["env"]!) as string[]);
      const word = JSON.parse(row["word"]!) as string;
      const options = optionsOf(row["mode"]!, row["escape"]!);
      const got = attempt(() => {
        const expanded = expandWord(word, env, options);
        return {
          result: expanded.text,
          words: expandWords(word, env, options).words,
          unmatched: [...expanded.unmatched].sort(),
        };
      });
      const expected =
        row["error"] === ""
          ? {
              result: JSON.parse(row["result"]!) as unknown,
              words: JSON.parse(row["words"]!) as unknown,
              unmatched: (JSON.parse(row["unmatched"]!) as string[]).sort(),
            }
          : { error: true };
      tally.add(row["id"]!, differences(expected, got, word));
    }
    expect(tally.finish()).toBe("");
  });

  it("expands as the table envVarTest expects", () => {
    const tally = new Tally("envVarTest");
    const env = environment(["PWD=/home", "SHELL=bash", "NULL=", "KOREAN=한국어"]);
    for (const [index, line] of corpusText("shell/envVarTest").split("\n").entries()) {
      const text = line.replace(/^#.*|\s+#.*$/, "");
      const [platform, word, expected] = text.split("|");
      if (expected === undefined || platform!.trim() === "W") continue;
      const got = attempt(() => expandWord(word!.trim(), env).text);
      const wanted = expected.trim();
      tally.add(`${index + 1}`, differences(wanted === "error" ? { error: true } : wanted, got, word));
    }
    expect(tally.finish()).toBe("");
  });

  it("splits as the table wordsTest expects", () => {
    const tally = new Tally("wordsTest");
    const env = environment(["PWD=/home", "SHELL=bash"]);
    for (const [index, line] of corpusText("shell/wordsTest").split("\n").entries()) {
      if (line.startsWith("ENV ")) {
        const [name, ...value] = line.slice(4).trimStart().split("=");
        env.set(name!, value.join("="));
      } else if (line !== "" && !line.startsWith("#")) {
        const [word, expected] = line.split("|");
        const got = attempt(() => expandWords(word!.trim(), env).words);
        const wanted = expected!.trimStart();
        tally.add(
          `${index + 1}`,
          differences(wanted === "error" ? { error: true } : wanted.split(","), got, word),
        );
      }
    }
    expect(tally.finish()).toBe("");
  });
});
