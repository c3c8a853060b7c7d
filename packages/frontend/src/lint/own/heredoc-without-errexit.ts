import type { InlineFile, RunInstruction } from "@tsbuild/dockerfile";
import { type OwnRule, withShell } from "./own-rule.ts";

const ERREXIT = /(?:^|[;&]\s*|\s)set\s+(?:-\w+\s+)*(?:-[a-z]*e[a-z]*|-[a-z]*o\s+errexit)\b/m;
const SHELL = /^(?:\/\S*\/)?(?:env\s+)?(?:ba|da|a|k|z)?sh\b/;
/** The heredoc alone, or a shell that reads it. */
const SCRIPT = /^(?:((?:\/\S*\/)?(?:ba|da|a|k|z)?sh(?:\s+-\S+)*)\s*)?\d*<<-?\S+$/;

function stopsAtErrors(options: string): boolean {
  return /\s-[a-z]*e[a-z]*\b|errexit/.test(options);
}

/** Lines that are commands of their own: a failure of all but the last one is lost. */
function commandLines(body: string): number {
  const joined = body.replaceAll(/(?:\\|&&|\|\||\|)[ \t]*\r?\n\s*/g, " ");
  return joined.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line)).length;
}

/** True when the shell goes on after a failed command of the script. */
function ignoresErrors({ data }: InlineFile, options: string): boolean {
  const [, interpreter] = /^#!\s*(.*)/.exec(data) ?? [];
  if (interpreter !== undefined && !SHELL.test(interpreter)) return false;
  if (stopsAtErrors(` ${interpreter ?? options}`)) return false;
  return !ERREXIT.test(data) && commandLines(data) > 1;
}

function script(run: RunInstruction, shell: string): { file: InlineFile; options: string } | undefined {
  const { args, files, shellForm } = run.command;
  const [, own] = SCRIPT.exec((args?.[0] ?? "").trim()) ?? [undefined, null];
  const [file] = files;
  if (file === undefined || !shellForm || own === null) return undefined;
  return own === undefined && !SHELL.test(shell) ? undefined : { file, options: own ?? shell };
}

/** FEATURES D031. */
export const heredocWithoutErrexit: OwnRule = {
  name: "HeredocWithoutErrexit",
  severity: "warning",
  what: "A script in a heredoc does not stop at the first command that fails.",
  why: "A heredoc is a script as any other: only the exit status of its last command counts. Unlike with `&&`, a failed download or compiler in the middle goes unnoticed, and the broken layer is cached.",
  bad: `FROM debian:bookworm
RUN <<EOF
make
make install
EOF
`,
  good: `FROM debian:bookworm
RUN <<EOF
set -e
make
make install
EOF
`,
  check({ stages }, report) {
    for (const { command, shell } of stages.flatMap((stage) => [...withShell(stage)])) {
      const found = command.kind === "run" ? script(command, shell) : undefined;
      if (found !== undefined && ignoresErrors(found.file, found.options))
        report(command, "the script goes on after a command that fails: begin it with set -e");
    }
  },
};
