import type { ArgInstruction, Command, Stage } from "@tsbuild/dockerfile";
import { type OwnRule, wholeText } from "./own-rule.ts";

/** Values that are the same from build to build, or that no key depends on. */
const STEADY =
  /^(?:(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT|STAGE)|(?:https?|ftp|no|all)_proxy|BUILDKIT_.*|SOURCE_DATE_EPOCH)$/i;

/** Names that a command may use: a RUN sees an ARG by its bare name (`printenv X`), anything else only as `$X`. */
function namesIn(command: Command): Set<string> {
  const pattern = command.kind === "run" ? /(\w+)/g : /\$\{?(\w+)/g;
  return new Set(Array.from(wholeText(command).matchAll(pattern), ([, name]) => name!));
}

interface Use {
  readonly by: Command;
  /** RUNs of the stage before it. */
  readonly runsBefore: number;
}

/** Calls `onArg` for each ARG with its first use, from the last command to the first: one look at each command. */
function forEachArg(
  stage: Stage,
  onArg: (arg: ArgInstruction, key: string, use: Use, runsBefore: number) => void,
): void {
  const next = new Map<string, Use>();
  let runsBefore = stage.commands.filter(({ kind }) => kind === "run").length;
  for (const command of stage.commands.toReversed()) {
    if (command.kind === "run") runsBefore--;
    const declared = command.kind === "arg" ? command.args.map(({ key }) => key) : [];
    for (const key of declared) {
      const use = next.get(key);
      if (command.kind === "arg" && use !== undefined) onArg(command, key, use, runsBefore);
      next.delete(key);
    }
    for (const name of namesIn(command)) next.set(name, { by: command, runsBefore });
  }
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
      forEachArg(stage, (command, key, use, runsBefore) => {
        const between = use.runsBefore - runsBefore;
        if (STEADY.test(key) || between === 0) return;
        const steps = between === 1 ? "the RUN" : `the ${between} RUNs`;
        const line = use.by.range.start;
        report(
          command,
          `${key} is first used in line ${line}: a new value makes ${steps} before it run anew`,
        );
      });
    }
  },
};
