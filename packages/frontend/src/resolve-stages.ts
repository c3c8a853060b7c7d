import { resolveBase } from "./base-image.ts";
import type { CompileContext } from "./context.ts";
import { at, Mistakes } from "./failure.ts";
import { dispatch } from "./instructions/dispatch.ts";
import { fireTriggers } from "./onbuild-triggers.ts";
import type { Stage } from "./stage.ts";
import { StageBuild } from "./stage-build.ts";
import { reachableFrom } from "./stage-table.ts";

/** Stages in the order of the table. */
function ordered(stages: ReadonlySet<Stage>, context: CompileContext): Stage[] {
  return context.stages.stages.filter((stage) => stages.has(stage));
}

/**
 * Resolves the base of every stage that the target needs, all at once (D068), and fires triggers. A trigger may
 * need further stages and images, so this goes on until nothing new turns up.
 */
export async function resolveStages(target: Stage, context: CompileContext): Promise<Stage[]> {
  for (;;) {
    const { stages } = context.stages;
    const needed = context.request.allStages ? [...stages] : ordered(reachableFrom(target), context);
    const open = needed.filter((stage) => stage.base === undefined && stage.resolved === undefined);
    const bases = await Promise.all(open.map((stage) => resolveBase(stage, context)));
    for (const [index, stage] of open.entries()) stage.resolved = bases[index];
    const fired = needed.map((stage) => fireTriggers(stage, context));
    if (!fired.includes(true)) return needed;
  }
}

function start(stage: Stage, context: CompileContext): StageBuild {
  if (stage.base === undefined) return StageBuild.onImage(stage, context, stage.resolved!);
  // What is needed of a stage is needed of the folder that it is FROM, too.
  stage.paths = stage.base.paths;
  const base = stage.base.build;
  return base === undefined
    ? StageBuild.onImage(stage, context, inherited(stage.base))
    : StageBuild.onStage(stage, context, base);
}

/** The base of a stage whose base stage is replaced by a named context. */
function inherited(base: Stage): NonNullable<Stage["resolved"]> {
  const resolved = base.resolved!;
  return { ...resolved, image: structuredClone(resolved.image) };
}

function runInstructions(stage: Stage, context: CompileContext, mistakes: Mistakes): void {
  const build = at(context.source, stage.range!, () => start(stage, context));
  for (const command of stage.commands) {
    mistakes.within(() => dispatch(build, command));
    if (context.budget.isSpent) return;
  }
  // Only now: a stage that mounts or copies from itself must not find itself.
  stage.build = build;
}

/** Lets the instructions of the stages run in file order. */
export function buildStages(stages: readonly Stage[], context: CompileContext): void {
  const mistakes = new Mistakes();
  for (const stage of stages) {
    if (!stage.isPlain) mistakes.within(() => runInstructions(stage, context, mistakes));
    // Everything after it would fail for the same reason.
    if (context.budget.isSpent) break;
  }
  mistakes.finish();
}
