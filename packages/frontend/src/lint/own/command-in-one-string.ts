import type { Command } from "@tsbuild/dockerfile";
import type { OwnRule } from "./own-rule.ts";

/** Arguments of the JSON form; undefined for shell form and for instructions that run nothing. */
function programAndArguments(command: Command): readonly string[] | undefined {
  switch (command.kind) {
    case "run":
    case "cmd":
    case "entrypoint":
      return command.command.shellForm ? undefined : (command.command.args ?? undefined);
    case "healthcheck": {
      const [form, ...words] = command.health.test;
      return form === "CMD" ? words : undefined;
    }
    default:
      return undefined;
  }
}

/** FEATURES D129. */
export const commandInOneString: OwnRule = {
  name: "CommandInOneString",
  severity: "warning",
  what: "A JSON form with a whole command in its only string.",
  why: "Without a shell nobody splits the string at its blanks: the kernel looks for a program with blanks in its name, and the container ends with `executable file not found` when it starts. Each word is a string of its own.",
  bad: `FROM debian:bookworm
CMD ["sleep 60"]
`,
  good: `FROM debian:bookworm
CMD ["sleep", "60"]
`,
  check({ stages }, report) {
    for (const { commands } of stages) {
      const isEntrypointArgument = commands.some(({ kind }) => kind === "entrypoint");
      for (const command of commands) {
        const [only = "", ...others] = programAndArguments(command) ?? [];
        // A CMD is what the ENTRYPOINT gets, and that may well be one text with blanks.
        if (others.length > 0 || (command.kind === "cmd" && isEntrypointArgument)) continue;
        const words = only.trim().split(/\s+/);
        if (words.length > 1)
          report(command, `${JSON.stringify(only)} is taken for one program: write ${JSON.stringify(words)}`);
      }
    }
  },
};
