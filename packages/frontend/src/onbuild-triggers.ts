import { TsbuildError } from "@tsbuild/base";
import { type Command, parseTrigger } from "@tsbuild/dockerfile";
import type { CompileContext } from "./context.ts";
import { connect } from "./dependencies.ts";
import { at, mistake } from "./failure.ts";
import type { Stage } from "./stage.ts";

/** What the instruction of a trigger takes once it is read, about: any number of stages may be FROM the same base. */
const TRIGGER_BYTES = 1024;

/** Texts of the triggers: of the image's config, or what the base stage declares. */
function triggerTexts(stage: Stage): readonly string[] {
  if (stage.base === undefined) return stage.resolved?.image.config.OnBuild ?? [];
  return stage.base.commands.flatMap(({ command }) =>
    command.kind === "onbuild" ? [command.expression] : [],
  );
}

/** Lines in a trigger's own text would mislead: the caller gives those of the FROM. */
function readTrigger(text: string, stage: Stage): Command {
  try {
    return parseTrigger(text, { file: "ONBUILD" });
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    const message = `the trigger ${JSON.stringify(text)} of ${stage.baseName} is wrong: ${error.message}`;
    throw mistake(message, error.hint);
  }
}

/**
 * Puts the triggers of a stage's base in front of its own instructions, once (D128). They are cleared from the
 * image, so that they fire in the child only. True when they need a stage or image that was not needed before.
 */
export function fireTriggers(stage: Stage, context: CompileContext): boolean {
  if (stage.triggersRead || stage.isPlain) return false;
  if (stage.base === undefined && stage.resolved === undefined) return false;
  stage.triggersRead = true;
  const triggers = triggerTexts(stage);
  if (stage.resolved !== undefined) delete stage.resolved.image.config.OnBuild;
  // A trigger has no lines of its own: the FROM is what brings it in.
  const range = stage.range!;
  const known = stage.needs.size;
  context.budget.spend(triggers.length * TRIGGER_BYTES);
  const commands = at(context.source, range, () =>
    triggers.map((text) => connect(stage, readTrigger(text, stage), { range, onbuild: true }, context)),
  );
  stage.commands = [...commands, ...stage.commands];
  stage.stepTotal += commands.length;
  return stage.needs.size > known;
}
