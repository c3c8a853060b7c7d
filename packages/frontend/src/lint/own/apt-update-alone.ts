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
      const uses = runs(stage).map((run) => ({ run, use: aptUse(run) }));
      for (const [index, { run, use }] of uses.entries()) {
        if (!use.updates || use.installs.length > 0 || use.isClean) continue;
        const install = uses
          .slice(index + 1)
          .find((other) => other.use.installs.length > 0 && !other.use.updates);
        if (install !== undefined)
          report(run, `update and install (line ${install.run.range.start}) belong into one RUN`);
      }
    }
  },
};
