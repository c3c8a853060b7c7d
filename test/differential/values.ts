/** Pieces of values: expansions, quotes, escapes. */
import type { Random } from "../fuzz/support/random.ts";

/** What stages declare or may: the pieces below refer to them. */
export const VARIABLES = ["A", "B", "C", "D", "U", "X"] as const;

const PLAIN = [
  "1",
  "foo",
  "x/y.tar.gz",
  "",
  "$A",
  "${A}",
  "${B:-def}",
  "${A:+alt}",
  "${NOPE:-}",
  "$A$B",
  "${C}_x",
];
const PATTERNS = [
  "${A#f}",
  "${C%.*}",
  "${C##*/}",
  "${C/a/Z}",
  "${C//a/Z}",
  "${C%%.*}",
  "${A:-${B}}",
  "${A-u}",
];
const QUOTED = [
  "'sq $A'",
  '"dq $A"',
  '"a\\"b"',
  "\\$A",
  "a\\ b",
  "'a b'",
  '"\\$A"',
  "'it''s'",
  "\\\\",
  '"${A:-q q}"',
];
const ODD = [
  "$",
  "$$",
  "a$",
  "x=y",
  "--flag",
  "#none",
  "é",
  "\\n",
  "tab\there",
  "*",
  "[a]",
  "~",
  "a,b",
  "{}",
  "%PATH%",
];

/** One word of an instruction, of one to three pieces. */
export function value(random: Random): string {
  const pieces = () => random.pick(random.pick([PLAIN, PATTERNS, QUOTED, ODD]));
  return random.many(1, random.chance(0.3) ? 3 : 1, pieces).join("");
}

/** `NAME=value`; D is a path and U a user, where stages use them so. */
export function assignment(random: Random): string {
  const name = random.pick(VARIABLES);
  if (name === "D") return `D=/${random.pick(["w", "w/v", "dst"])}`;
  if (name === "U") return `U=${random.pick(["nobody", "1000", "0"])}`;
  return `${name}=${value(random)}`;
}
