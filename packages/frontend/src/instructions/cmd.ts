import type { CmdInstruction } from "@tsbuild/dockerfile";
import { quotedList } from "../go-format.ts";
import { commandArgs } from "./command-args.ts";
import type { Step } from "./step.ts";

/** CMD: the last one wins (D122). */
export function cmd({ command, build }: Step<CmdInstruction>): void {
  const args = commandArgs(build, command.command);
  build.image.config.Cmd = args;
  build.image.config.ArgsEscaped = true;
  build.cmdSet = true;
  build.addHistory(`CMD ${quotedList(args)}`);
}
