import { type OwnRule, runCommands, runs } from "./own-rule.ts";

export const cdHasNoEffect: OwnRule = {
  name: "CdHasNoEffect",
  severity: "warning",
  what: "A RUN that only changes its folder or exports variables.",
  why: "Each RUN has a shell of its own: what `cd` and `export` do is forgotten when it ends. WORKDIR and ENV are what holds for the steps after it.",
  bad: `FROM debian:bookworm
RUN cd /src
RUN make
`,
  good: `FROM debian:bookworm
WORKDIR /src
RUN make
`,
  check({ stages }, report) {
    for (const run of stages.flatMap(runs)) {
      const names = run.command.shellForm ? runCommands(run).map(({ words }) => words[0]) : [];
      if (names.length > 0 && names.every((name) => name === "cd" || name === "export"))
        report(
          run,
          `${names[0]} is forgotten when the RUN ends: use ${names[0] === "cd" ? "WORKDIR" : "ENV"}`,
        );
    }
  },
};
