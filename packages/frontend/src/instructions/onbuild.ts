import type { OnbuildInstruction } from "@tsbuild/dockerfile";
import type { Step } from "./step.ts";

/** ONBUILD keeps the trigger as it is written; nothing in it expands now (D128). No history entry. */
export function onbuild({ command, build }: Step<OnbuildInstruction>): void {
  const { config } = build.image;
  // The config is the stage's own copy, so the list may grow in place.
  config.OnBuild ??= [];
  config.OnBuild.push(command.expression);
}
