import type { CopyInstruction } from "@tsbuild/dockerfile";
import { mistake } from "../failure.ts";
import { contextPath } from "../paths.ts";
import { copyFiles, expandCopy } from "./copy-files.ts";
import type { Step } from "./step.ts";

/** COPY from the user's files, a stage, an image or a named context (D091–D115). */
export function copy(step: Step<CopyInstruction>): void {
  const { command, context, build } = step;
  const [source] = step.sources;
  const expanded = expandCopy(step);
  const from = source === undefined ? context.mainContext : source.result;
  if (from === undefined)
    throw mistake(
      `${JSON.stringify(command.from)} cannot be copied from in ${build.stage.displayName}: it is not built yet`,
      "move the stage above the one that copies from it",
    );
  copyFiles(step, {
    ...expanded,
    from,
    parents: command.parents,
    unpack: undefined,
    local: source === undefined,
    files: source === undefined || source.isFiles,
  });
  const paths = source === undefined ? context.contextPaths : source.paths;
  for (const path of expanded.sources) paths.add(contextPath(path));
}
