import { aptUse } from "./apt.ts";
import { type OwnRule, runs } from "./own-rule.ts";
import type { ShellCommand } from "./shell-commands.ts";

function saysYes({ words }: ShellCommand): boolean {
  return words.some((word) =>
    /^-[a-zA-Z]*y|^--(?:yes|assume-yes|assume-no|download-only)$|^-q[q=2]|^-[a-z]*d/.test(word),
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
