import type { CmdInstruction, CommandLine, EntrypointInstruction, ShellInstruction } from "../instruction.ts";
import { readFlags } from "./flags.ts";
import { base, fail, type Reading, someArgs } from "./reading.ts";

/** RUN, CMD and ENTRYPOINT: a program with arguments (JSON) or a text for the shell (FEATURES D073, D074). */
export function commandLine({ node }: Reading): CommandLine {
  return {
    args: node.args.map((arg) => arg.text),
    shellForm: node.form !== "json",
    files: node.heredocs.map(({ name, content, chomp }) => ({ name, data: content, chomp })),
  };
}

export function readCmd(reading: Reading): CmdInstruction {
  readFlags(reading, {});
  return { ...base(reading, "cmd"), command: commandLine(reading) };
}

/** `ENTRYPOINT []` takes the entrypoint away (FEATURES D123). */
export function readEntrypoint(reading: Reading): EntrypointInstruction {
  readFlags(reading, {});
  const command = commandLine(reading);
  const args = command.args?.length === 0 ? null : command.args;
  return { ...base(reading, "entrypoint"), command: { ...command, args } };
}

export function readShell(reading: Reading): ShellInstruction {
  readFlags(reading, {});
  const example = 'SHELL ["/bin/bash", "-c"]';
  const args = someArgs(reading, example);
  if (reading.node.form !== "json")
    throw fail(reading, "SHELL takes a JSON array", `for example: ${example}`, args[0]);
  return { ...base(reading, "shell"), shell: args.map((arg) => arg.text) };
}
