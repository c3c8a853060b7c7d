import { type Command, expandsFrom } from "@tsbuild/dockerfile";
import type { OwnRule } from "./own-rule.ts";

/** FEATURES W035. */
export const expandedFrom: OwnRule = {
  name: "ExpandedFrom",
  severity: "info",
  what: "Files are taken from a stage or image that a variable names, which only tsbuild can.",
  why: "`# tsbuild: expand-from` fills in the variables of `--from`. Other builders refuse them: a stage that is `FROM` the variable does the same everywhere.",
  bad: `ARG TOOLS=golang:1.22
FROM debian:bookworm
# tsbuild: expand-from
COPY --from=$TOOLS /usr/local/go /usr/local/go
`,
  good: `ARG TOOLS=golang:1.22
FROM $TOOLS AS tools
FROM debian:bookworm
COPY --from=tools /usr/local/go /usr/local/go
`,
  check({ stages }, report) {
    for (const command of stages.flatMap(({ commands }) => commands))
      if (expandsFrom(command.comments) && namesVariable(command))
        report(command, "other builders do not expand variables in --from: make a stage FROM it");
  },
};

function namesVariable(command: Command): boolean {
  if (command.kind === "copy") return command.from.includes("$");
  return command.kind === "run" && command.mounts.some((mount) => /(?:^|,)"?from=[^,"]*\$/i.test(mount));
}
