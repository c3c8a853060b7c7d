import { hideCredentials, TsbuildError } from "@tsbuild/base";
import { expandWord, type VariableLookup, type WordOptions } from "@tsbuild/dockerfile";
import { capitalized } from "../progress.ts";
import { type Step, shownText } from "./step.ts";

/** The text with variables filled in for people to read; as it is when it is no valid word. */
function expandShown(text: string, env: VariableLookup, options: WordOptions): string {
  try {
    return expandWord(text, env, options).text;
  } catch (error) {
    // The text of an instruction need not be a word (unbalanced quotes in a comment, say): show it unchanged.
    if (error instanceof TsbuildError) return text;
    throw error;
  }
}

/** Text of a step for progress: the instruction in capitals, variables filled in, without the passwords of URLs. */
export function stepText(step: Step): string {
  const { source } = step.command;
  const { wordOptions } = step.context;
  return shownText(step, hideCredentials(capitalized(expandShown(source, step.build.env, wordOptions))));
}

/** The same for RUN, whose text belongs to the shell: quotes and unknown variables stay. */
export function commandText(step: Step, text: string, env: VariableLookup): string {
  const { wordOptions } = step.context;
  const options: WordOptions = { ...wordOptions, rawQuotes: true, skipUnset: true };
  return shownText(step, capitalized(expandShown(text, env, options)));
}
