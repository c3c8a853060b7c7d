import { type OwnRule, runCommands, runText, withShell } from "./own-rule.ts";

export const pipeHidesFailure: OwnRule = {
  name: "PipeHidesFailure",
  severity: "warning",
  what: "A download is piped into another command without `pipefail`.",
  why: "The exit status of a pipe is that of its last command. When the download fails, a shell happily runs the empty or cut-off script, the step succeeds, and its layer is cached.",
  bad: `FROM debian:bookworm
RUN curl -fsSL https://example.com/install.sh | sh
`,
  good: `FROM debian:bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN curl -fsSL https://example.com/install.sh | sh

FROM debian:bookworm
RUN curl -fsSL -o install.sh https://example.com/install.sh && sh install.sh && rm install.sh
`,
  check({ stages }, report) {
    for (const { command, shell } of stages.flatMap((stage) => [...withShell(stage)])) {
      if (command.kind !== "run" || !command.command.shellForm) continue;
      const text = runText(command);
      if (/pipefail/.test(text + shell)) continue;
      const download = runCommands(command).find(
        ({ words, isPiped }) => isPiped && /^(?:curl|wget)$/.test(words[0]!),
      );
      if (download !== undefined)
        report(
          command,
          `a failure of ${download.words[0]} goes unnoticed: use SHELL with pipefail, or a file`,
        );
    }
  },
};
