import type { Random } from "../fuzz/support/random.ts";
import { type Case, operands } from "./case.ts";
import { ageContext, makeContext, pathsOf } from "./context.ts";

const PATTERNS = [
  ...[
    "*",
    "**",
    "*/*",
    "**/a",
    "*.txt",
    "**/*.js",
    "s?b",
    "[a-l]*",
    "[^a]*",
    "lib/**",
    "**/lib",
    "*/sub",
    "a/**/b.txt",
  ],
  ...[
    "/a",
    "./a",
    "a/",
    "a/.",
    "sub/../lib",
    "**/",
    "/**/node/**",
    "\\a",
    "src*",
    "d d",
    "?",
    "**/d*",
    "lib*/**/x*",
  ],
  ...[
    "  a  ",
    "\\#x",
    "a/b/../..",
    "..",
    "../a",
    ".",
    "/",
    "node/**/",
    "**a",
    "a**",
    "a**b",
    "***",
    "*/**/*",
    "# c",
    "",
  ],
];

/** What is left out of a context, and what an exception brings back: by ignore files and by `--exclude`. */
export function ignoreCase(random: Random, folder: string): Case {
  makeContext(random, folder);
  const paths = pathsOf(folder);
  ageContext(random, folder);
  const pattern = () => random.pick([random.pick(PATTERNS), random.pick(PATTERNS), random.pick(paths)]);
  const copy = (to: string) => {
    const source = random.pick([
      ".",
      ".",
      "*",
      "**/a",
      "*/*",
      "lib",
      "sub/",
      "*.txt",
      "s*",
      random.pick(paths),
    ]);
    const exclude = random.chance(0.3) ? `--exclude=${pattern().trim().replaceAll(" ", "?")} ` : "";
    return `COPY ${exclude}${random.chance(0.2) ? "--parents " : ""}${operands(random, [source, to])}`;
  };
  return {
    dockerfile: ["FROM scratch", ...random.many(1, 2, () => "").map((_, at) => copy(`/o${at}/`)), ""].join(
      "\n",
    ),
    ignore: random.many(1, 6, () => `${random.chance(0.3) ? "!" : ""}${pattern()}`).join("\n"),
    buildArgs: {},
  };
}
