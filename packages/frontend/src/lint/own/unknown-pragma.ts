import { readPragma } from "../../pragmas.ts";
import type { OwnRule } from "./own-rule.ts";

/** FEATURES W028. */
export const unknownPragma: OwnRule = {
  name: "UnknownPragma",
  severity: "warning",
  what: "A comment for tsbuild says something that tsbuild does not know.",
  why: "What `# tsbuild:` asks of the step below it is nothing to other builders, so nobody else complains; with a slip in it the step is cached, retried and timed as any other.",
  bad: `FROM debian:bookworm
# tsbuild: no-cahce, timeout=10
RUN make test
`,
  good: `FROM debian:bookworm
# tsbuild: no-cache, timeout=10m
RUN make test
`,
  check({ stages }, report) {
    for (const command of stages.flatMap(({ commands }) => commands))
      readPragma(command.comments, (message) => report(command, message));
  },
};
