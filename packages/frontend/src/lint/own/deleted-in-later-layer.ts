import { posix } from "node:path";
import type { AddInstruction, CopyInstruction, RunInstruction } from "@tsbuild/dockerfile";
import { type OwnRule, runCommands } from "./own-rule.ts";
import { operands } from "./shell-commands.ts";

/** Files that a COPY or ADD makes, as far as they can be told from its text. */
function made({ sources, contents, dest }: CopyInstruction | AddInstruction, workdir: string): string[] {
  const names = [...sources, ...contents.map(({ path }) => path)];
  if (names.some((name) => /[$*?[]/.test(name)) || dest.includes("$")) return [];
  const target = posix.resolve(workdir, dest);
  const isFolder = dest.endsWith("/") || names.length > 1;
  return isFolder ? names.map((name) => posix.join(target, posix.basename(name))) : [target];
}

function removed(run: RunInstruction, workdir: string): string[] {
  return runCommands(run)
    .filter(({ words }) => words[0] === "rm")
    .flatMap((command) => operands(command).map((path) => posix.resolve(workdir, path)));
}

/** FEATURES W017. */
export const deletedInLaterLayer: OwnRule = {
  name: "DeletedInLaterLayer",
  severity: "warning",
  what: "A RUN deletes a file that an earlier COPY or ADD put into the image.",
  why: "The layer of the COPY keeps it: the image is as large as before, and whoever has the image can read the file. A bind mount gives a RUN files that never enter a layer.",
  bad: `FROM debian:bookworm
COPY app.tar.gz /tmp/
RUN tar -xzf /tmp/app.tar.gz -C /opt && rm /tmp/app.tar.gz
`,
  good: `FROM debian:bookworm
RUN --mount=type=bind,source=app.tar.gz,target=/tmp/app.tar.gz \\
    tar -xzf /tmp/app.tar.gz -C /opt
`,
  check({ stages }, report) {
    for (const { commands } of stages) {
      let workdir = "/";
      const files = new Map<string, number>();
      for (const command of commands) {
        if (command.kind === "workdir") workdir = posix.resolve(workdir, command.path);
        if (command.kind === "copy" || command.kind === "add")
          for (const path of made(command, workdir)) files.set(path, command.range.start);
        if (command.kind !== "run") continue;
        for (const path of removed(command, workdir)) {
          const line = files.get(path);
          if (line !== undefined)
            report(command, `${path} stays in the layer of line ${line}: mount it instead`);
        }
      }
    }
  },
};
