import type { BuildHistory, BuildRecord, StepRecord } from "@tsbuild/engine";

export interface Named {
  readonly build: BuildRecord;
  readonly step?: StepRecord;
}

/** `[BUILD] [STEP]` of a command line; one word alone is a build where one is so called (`^1`, an ID), else a step of the newest. */
export function namedInHistory(history: BuildHistory, [first, second]: readonly string[]): Named {
  const isBuild = first === undefined || second !== undefined || isBuildReference(history, first);
  const build = history.find(isBuild ? (first ?? "^0") : "^0");
  const word = isBuild ? second : first;
  return word === undefined ? { build } : { build, step: history.step(build, word) };
}

/** Short beginnings of an ID could be numbers of steps. */
function isBuildReference(history: BuildHistory, text: string): boolean {
  return /^\^\d+$/.test(text) || (text.length >= 4 && history.list().some(({ id }) => id.startsWith(text)));
}
