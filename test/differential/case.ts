import type { Random } from "../fuzz/support/random.ts";

/** What both builders are given. */
export interface Case {
  readonly dockerfile: string;
  /** Text of `.dockerignore`; undefined: there is none. */
  readonly ignore?: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** Fills a folder and says what is built of it. The same random numbers give the same case. */
export type CaseMaker = (random: Random, folder: string) => Case;

/** The image that stages begin with, which both builders find. */
export const BASE = "base";

/** Words of a JSON array where one of them has a blank, and sometimes where none has. */
export function operands(random: Random, words: readonly string[]): string {
  const needsJson = words.some((word) => word.includes(" "));
  return needsJson || random.chance(0.15) ? JSON.stringify(words) : words.join(" ");
}
