import type { LineRange } from "@tsbuild/base";
import type { Command, DockerfileProgram, Instruction, RunInstruction, Stage } from "@tsbuild/dockerfile";
import type { RulePage } from "../rule-page.ts";
import { type ShellCommand, shellCommands } from "./shell-commands.ts";

/** Reports at the lines of an instruction, whose comments may silence it. */
export type Report = (instruction: Instruction, message: string, range?: LineRange) => void;

/** A rule that BuildKit does not have: for `tsbuild check`, not for builds. It sees the file alone, no image. */
export interface OwnRule extends RulePage {
  check(program: DockerfileProgram, report: Report): void;
}

/** Everything that the shell of a RUN reads: its text with the bodies of its heredocs. */
export function runText({ command }: RunInstruction): string {
  return [...(command.args ?? []), ...command.files.map((file) => file.data)].join("\n");
}

const commands = new WeakMap<RunInstruction, readonly ShellCommand[]>();

/** The commands of that text, read once for all rules. */
export function runCommands(run: RunInstruction): readonly ShellCommand[] {
  const known = commands.get(run) ?? shellCommands(runText(run));
  commands.set(run, known);
  return known;
}

/** The text of an instruction with its heredocs, for looking for names. */
export function wholeText({ node }: Instruction): string {
  return [node.original, ...node.heredocs.map((heredoc) => heredoc.content)].join("\n");
}

/** RUNs of a stage. */
export function runs({ commands }: Stage): RunInstruction[] {
  return commands.filter((command): command is RunInstruction => command.kind === "run");
}

/** The last stage and those that it is FROM: what their layers hold is in the image. */
export function imageStages({ stages }: DockerfileProgram): Stage[] {
  const found: Stage[] = [];
  let wanted: string | undefined;
  for (const stage of stages.toReversed()) {
    if (found.length > 0 && stage.from.stageName !== wanted) continue;
    found.push(stage);
    wanted = stage.from.base.toLowerCase();
  }
  return found.reverse();
}

/** The SHELL that holds at each command of a stage, as one text. */
export function* withShell({ commands }: Stage): Generator<{ command: Command; shell: string }> {
  let shell = "/bin/sh -c";
  for (const command of commands) {
    if (command.kind === "shell") shell = command.shell.join(" ");
    yield { command, shell };
  }
}
