import type { Command, Stage } from "@tsbuild/dockerfile";
import { type OwnRule, wholeText } from "./own-rule.ts";

/** Values that are the same from build to build, or that no key depends on. */
const STEADY =
  /^(?:(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT|STAGE)|(?:https?|ftp|no|all)_proxy|BUILDKIT_.*|SOURCE_DATE_EPOCH)$/i;

/** A RUN sees an ARG by its bare name (`printenv X`), anything else only as `$X`. */
function mentions(command: Command, key: string): boolean {
  const name = key.replaceAll(/\W/g, "\\$&");
  const sign = command.kind === "run" ? "\\b" : "\\$\\{?";
  return new RegExp(`${sign}${name}\\b`).test(wholeText(command));
}

/** The first command that uses the ARG declared at `index`, and the RUNs before it. */
function firstUse(stage: Stage, index: number, key: string): { use: Command; between: number } | undefined {
  let between = 0;
  for (const command of stage.commands.slice(index + 1)) {
    if (command.kind === "arg" && command.args.some((arg) => arg.key === key)) return undefined;
    if (mentions(command, key)) return { use: command, between };
    if (command.kind === "run") between++;
  }
  return undefined;
}

/** FEATURES W012. */
export const argBeforeUse: OwnRule = {
  name: "ArgBeforeUse",
  severity: "warning",
  what: "An ARG is declared before RUNs that do not use it.",
  why: "Every RUN after an ARG gets it as an environment variable, so its value is part of their cache keys. When it changes (a revision, a build date), steps run anew that have nothing to do with it.",
  bad: `FROM debian:bookworm
ARG REVISION
RUN make -C /src
LABEL revision=$REVISION
`,
  good: `FROM debian:bookworm
RUN make -C /src
ARG REVISION
LABEL revision=$REVISION
`,
  check({ stages }, report) {
    for (const stage of stages) {
      for (const [index, command] of stage.commands.entries()) {
        if (command.kind !== "arg") continue;
        for (const { key } of command.args) {
          const found = STEADY.test(key) ? undefined : firstUse(stage, index, key);
          if (found === undefined || found.between === 0) continue;
          const steps = found.between === 1 ? "the RUN" : `the ${found.between} RUNs`;
          report(
            command,
            `${key} is first used in line ${found.use.range.start}: a new value makes ${steps} before it run anew`,
          );
        }
      }
    }
  },
};
