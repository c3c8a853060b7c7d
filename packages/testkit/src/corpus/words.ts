import { TsbuildError } from "@tsbuild/base";
import { type EscapeCharacter, expandWord, expandWords, type WordOptions } from "@tsbuild/dockerfile";
import type { Corpus } from "./corpus.ts";
import { differences } from "./differences.ts";
import type { Tally } from "./tally.ts";

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

function expectedRow(row: Readonly<Record<string, string>>): unknown {
  if (row["error"] !== "") return { error: true };
  return {
    result: JSON.parse(row["result"]!) as unknown,
    words: JSON.parse(row["words"]!) as unknown,
    unmatched: (JSON.parse(row["unmatched"]!) as string[]).sort(),
  };
}

/** Expands and splits what shell-words.tsv lists: category `words`, by the id of the row. */
export function compareWords(corpus: Corpus, tally: Tally): void {
  for (const row of corpus.table("shell-words.tsv")) {
    const env = environment(JSON.parse(row["env"]!) as string[]);
    const word = JSON.parse(row["word"]!) as string;
    const options = optionsOf(row["mode"]!, row["escape"]!);
    const got = attempt(() => {
      const { text: result, unmatched } = expandWord(word, env, options);
      const { words } = expandWords(word, env, options);
      return { result, words, unmatched: [...unmatched].sort() };
    });
    tally.count("words", row["id"]!, differences(expectedRow(row), got, JSON.stringify(word)));
  }
  compareVariableTable(corpus, tally);
  compareSplitTable(corpus, tally);
}

/** Lines `platform | word | result` of BuildKit's own table; `W` is for Windows only. */
function compareVariableTable(corpus: Corpus, tally: Tally): void {
  const path = "shell/envVarTest";
  if (!corpus.has(path)) return;
  const env = environment(["PWD=/home", "SHELL=bash", "NULL=", "KOREAN=한국어"]);
  for (const [index, line] of corpus.text(path).split("\n").entries()) {
    const [platform = "", word = "", expected] = line.replace(/^#.*|\s+#.*$/, "").split("|");
    if (expected === undefined || platform.trim() === "W") continue;
    const got = attempt(() => expandWord(word.trim(), env).text);
    const wanted = expected.trim() === "error" ? { error: true } : expected.trim();
    tally.count("words", `envVarTest:${index + 1}`, differences(wanted, got, word));
  }
}

/** Lines `word | word, word …`, between them `ENV name=value`. */
function compareSplitTable(corpus: Corpus, tally: Tally): void {
  const path = "shell/wordsTest";
  if (!corpus.has(path)) return;
  const env = environment(["PWD=/home", "SHELL=bash"]);
  for (const [index, line] of corpus.text(path).split("\n").entries()) {
    if (line.startsWith("ENV ")) {
      const [name, ...value] = line.slice(4).trimStart().split("=");
      env.set(name!, value.join("="));
    } else if (line !== "" && !line.startsWith("#")) {
      const [word = "", expected = ""] = line.split("|");
      const got = attempt(() => expandWords(word.trim(), env).words);
      const wanted = expected.trimStart();
      const list = wanted === "error" ? { error: true } : wanted.split(",");
      tally.count("words", `wordsTest:${index + 1}`, differences(list, got, word));
    }
  }
}
