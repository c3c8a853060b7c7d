import type { RunInstruction } from "@tsbuild/dockerfile";
import { aptUse } from "./apt.ts";
import { type OwnRule, runs } from "./own-rule.ts";

export const aptUpdateAlone: OwnRule = {
  name: "AptUpdateAlone",
  severity: "warning",
  what: "`apt-get update` is a RUN of its own, and a later RUN installs.",
  why: "The first RUN stays in the cache when the second one changes, so that packages are looked up in lists of last month: versions that are gone from the mirror fail with 404, and security updates are missed.",
  bad: `FROM debian:bookworm
RUN apt-get update
RUN apt-get install -y curl
`,
  good: `FROM debian:bookworm
RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
`,
  check({ stages }, report) {
    for (const stage of stages) {
      // From the last RUN to the first, so that each knows the next one that installs from older lists.
      let install: RunInstruction | undefined;
      for (const run of runs(stage).reverse()) {
        const { updates, installs, isClean } = aptUse(run);
        if (updates && installs.length === 0 && !isClean && install !== undefined)
          report(run, `update and install (line ${install.range.start}) belong into one RUN`);
        if (updates) install = undefined;
        else if (installs.length > 0) install = run;
      }
    }
  },
};
