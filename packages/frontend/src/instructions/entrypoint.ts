import type { EntrypointInstruction } from "@tsbuild/dockerfile";
import { quotedList } from "../go-format.ts";
import { commandArgs } from "./command-args.ts";
import type { Step } from "./step.ts";

/** ENTRYPOINT also drops a CMD that came from the base, not one of this stage (D123). */
export function entrypoint({ command, build }: Step<EntrypointInstruction>): void {
  const args = commandArgs(build, command.command);
  build.image.config.Entrypoint = args;
  if (!build.cmdSet) build.image.config.Cmd = [];
  build.addHistory(`ENTRYPOINT ${quotedList(args)}`);
}
