import type { CmdInstruction } from "@tsbuild/dockerfile";
import { quotedList } from "../go-format.ts";
import { commandArgs } from "./command-args.ts";
import type { Step } from "./step.ts";
import { warnRepeated, warnShellForm } from "./warnings.ts";

/** CMD: the last one wins (D122). */
export function cmd(step: Step<CmdInstruction>): void {
  const { command, build } = step;
  warnRepeated(step);
  warnShellForm(step);
  const args = commandArgs(build, command.command);
  build.image.config.Cmd = args;
  build.image.config.ArgsEscaped = true;
  build.addHistory(`CMD ${quotedList(args)}`);
}
