import { aptUse } from "./apt.ts";
import { type OwnRule, runs } from "./own-rule.ts";
import type { ShellCommand } from "./shell-commands.ts";

/** `-y` in any spelling, two or more `-q` (which mean yes, too), and what installs nothing. */
const NO_QUESTION =
  /^-[a-zA-Z]*[yds]|^--(?:yes|assume-yes|assume-no|download-only|simulate|just-print|dry-run|no-act)$|^-q[q=2]/;

function saysYes({ words }: ShellCommand): boolean {
  return (
    words.some((word) => NO_QUESTION.test(word)) || words.filter((word) => word === "--quiet").length > 1
  );
}

export const aptWithoutYes: OwnRule = {
  name: "AptWithoutYes",
  severity: "warning",
  what: "`apt-get install` without `-y`.",
  why: "It asks before it installs further packages, there is nobody to answer in a build, and so the step fails — or does not, until a package gets a new dependency.",
  bad: `FROM debian:bookworm
RUN apt-get update && apt-get install curl && rm -rf /var/lib/apt/lists/*
`,
  good: `FROM debian:bookworm
RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
`,
  check({ stages }, report) {
    for (const run of stages.flatMap(runs)) {
      const asking = aptUse(run).installs.find(
        (command) => !saysYes(command) && command.words.includes("install"),
      );
      if (asking !== undefined) report(run, `${asking.words[0]} install asks for confirmation: add -y`);
    }
  },
};
