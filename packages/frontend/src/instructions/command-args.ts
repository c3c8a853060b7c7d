import type { CommandLine } from "@tsbuild/dockerfile";
import type { StageBuild } from "../stage-build.ts";

/** Arguments of CMD and ENTRYPOINT: in shell form behind the SHELL. */
export function commandArgs(build: StageBuild, { args, shellForm }: CommandLine): string[] {
  const written = args ?? [];
  return shellForm ? build.shellCommand(written) : [...written];
}
