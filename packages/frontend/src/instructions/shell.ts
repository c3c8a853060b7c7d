import type { ShellInstruction } from "@tsbuild/dockerfile";
import { plainList } from "../go-format.ts";
import type { Step } from "./step.ts";

/** SHELL holds for the shell forms that follow and is kept in the config (D125). */
export function shell({ command, build }: Step<ShellInstruction>): void {
  build.image.config.Shell = [...command.shell];
  build.addHistory(`SHELL ${plainList(command.shell)}`);
}
