import { aptUse } from "./apt.ts";
import { imageStages, type OwnRule, runs } from "./own-rule.ts";

export const aptListsKept: OwnRule = {
  name: "AptListsKept",
  severity: "warning",
  what: "A RUN fetches apt's package lists and leaves them in the layer.",
  why: "The lists are some 20–40 MB that nothing reads later and that are out of date within days. Removing them in another RUN makes the image no smaller: they stay in the layer below. Stages that only hand files on are not looked at.",
  bad: `FROM debian:bookworm
RUN apt-get update && apt-get install -y curl
`,
  good: `FROM debian:bookworm
RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*

FROM debian:bookworm
RUN --mount=type=cache,target=/var/lib/apt,sharing=locked \\
    --mount=type=cache,target=/var/cache/apt,sharing=locked \\
    apt-get update && apt-get install -y curl
`,
  check(program, report) {
    for (const run of imageStages(program).flatMap(runs)) {
      const { updates, isClean } = aptUse(run);
      if (updates && !isClean)
        report(run, "the package lists stay in the layer: end the RUN with rm -rf /var/lib/apt/lists/*");
    }
  },
};
