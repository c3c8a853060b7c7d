import type { MaintainerInstruction } from "@tsbuild/dockerfile";
import type { Step } from "./step.ts";

/** MAINTAINER sets the author (D127). */
export function maintainer({ command, build }: Step<MaintainerInstruction>): void {
  build.image.author = command.maintainer;
  build.addHistory(`MAINTAINER ${command.maintainer}`);
}
