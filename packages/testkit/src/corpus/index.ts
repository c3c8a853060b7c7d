export { compareBuilds } from "./builds.ts";
export { compareCalls } from "./calls.ts";
export { Corpus, defaultCorpus } from "./corpus.ts";
export { compareIgnore } from "./ignore.ts";
export { compareParsing } from "./parsing.ts";
export { Tally } from "./tally.ts";
export { compareWords } from "./words.ts";
