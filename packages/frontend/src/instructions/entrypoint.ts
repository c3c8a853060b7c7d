import type { EntrypointInstruction } from "@tsbuild/dockerfile";
import { quotedList } from "../go-format.ts";
import { commandArgs } from "./command-args.ts";
import type { Step } from "./step.ts";
import { warnRepeated, warnShellForm } from "./warnings.ts";

/** ENTRYPOINT also drops a CMD that came from the base, not one of this stage (D123). */
export function entrypoint(step: Step<EntrypointInstruction>): void {
  const { command, build } = step;
  warnRepeated(step);
  warnShellForm(step);
  const args = commandArgs(build, command.command);
  build.image.config.Entrypoint = args;
  if (!build.lastOf.has("cmd")) build.image.config.Cmd = [];
  build.addHistory(`ENTRYPOINT ${quotedList(args)}`);
}
