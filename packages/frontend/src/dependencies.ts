import type { LineRange } from "@tsbuild/base";
import {
  type Command,
  type CopyInstruction,
  expandsFrom,
  expandWord,
  NO_VARIABLES,
  nearest,
  type RunInstruction,
} from "@tsbuild/dockerfile";
import type { CompileContext } from "./context.ts";
import { at, locate, Mistakes, mistake } from "./failure.ts";
import type { Stage, StageCommand } from "./stage.ts";
import { EMPTY_IMAGE } from "./stage-names.ts";

function plainFrom(from: string, context: CompileContext): string {
  if (expandWord(from, NO_VARIABLES, context.wordOptions).text === from) return from;
  throw mistake(
    `--from=${from} has a variable, which only FROM can use`,
    `add a stage \`FROM ${from} AS name\` and copy --from=name; or, for tsbuild alone, the comment \`# tsbuild: expand-from\` above`,
  );
}

/** As FROM expands it: with the ARGs before the first FROM, whatever the stage has (W035). */
function expandedFrom(from: string, { globalArgs, wordOptions }: CompileContext): string {
  const { text, unmatched } = expandWord(from, globalArgs, wordOptions);
  if (text !== "" && text !== EMPTY_IMAGE) return text;
  const [unknown = ""] = unmatched;
  const near = nearest(unknown, globalArgs.names());
  throw mistake(
    `--from=${from} names no stage and no image: it is ${text === "" ? "empty" : text}`,
    near === undefined ? "declare the ARG before the first FROM, with a default" : `did you mean ${near}?`,
  );
}

/** The stage of a `COPY --from` (D060–D063): a name before a number, else an image or named context. */
function copySource(command: CopyInstruction, range: LineRange, context: CompileContext): Stage | undefined {
  if (command.from === "") return undefined;
  const from = expandsFrom(command.comments)
    ? expandedFrom(command.from, context)
    : plainFrom(command.from, context);
  const { stages } = context;
  if (/^[+-]?\d+$/.test(from)) return stages.at(Number(from));
  return stages.find(from) ?? stages.implicit(from, range);
}

/** `from=` of a mount as it is written: it takes no variables (D042), unless a comment asks for them. The last one counts. */
function mountFrom(text: string): string {
  let from = "";
  for (const [, value] of text.matchAll(/(?:^|,)"?from=([^,"]*)/gi)) from = value as string;
  return from;
}

function mountSource(
  text: string,
  { comments }: RunInstruction,
  range: LineRange,
  context: CompileContext,
): Stage | undefined {
  const written = mountFrom(text);
  if (written === "" || written === EMPTY_IMAGE) return undefined;
  const from = expandsFrom(comments) ? expandedFrom(written, context) : written;
  return context.stages.find(from) ?? context.stages.implicit(from, range);
}

function sourcesOf(command: Command, range: LineRange, context: CompileContext): (Stage | undefined)[] {
  if (command.kind === "copy") return [copySource(command, range, context)];
  if (command.kind !== "run") return [];
  const run = command as RunInstruction;
  return run.mounts.map((mount) => mountSource(mount, run, range, context));
}

export interface Placement {
  readonly range: LineRange;
  readonly onbuild: boolean;
}

/** The instruction with the stages it takes from, which `stage` needs from now on. */
export function connect(
  stage: Stage,
  command: Command,
  { range, onbuild }: Placement,
  context: CompileContext,
): StageCommand {
  const sources = at(context.source, range, () => sourcesOf(command, range, context));
  if (command.kind === "arg") for (const { key } of command.args) context.declaredArgs.add(key);
  for (const source of sources) if (source !== undefined) stage.needs.set(source, range);
  return { command, sources, onbuild, range, comments: command.comments };
}

/** Connects all stages of the file. */
export function connectStages(context: CompileContext): void {
  // Images named by --from are added to the table on the way; they have no instructions.
  const mistakes = new Mistakes();
  for (const stage of [...context.stages.stages]) {
    stage.commands = [];
    for (const command of stage.written)
      mistakes.within(() => {
        stage.commands.push(connect(stage, command, { range: command.range, onbuild: false }, context));
      });
  }
  mistakes.finish();
}

/** A stage on the way of a search, with the lines of the need that is being followed. */
interface Step {
  readonly stage: Stage;
  readonly needs: Iterator<[Stage, LineRange]>;
  range: LineRange | undefined;
}

/**
 * A way from a stage back to itself, as the lines that lead along it. Each stage is entered once, and without
 * recursion: a file may chain any number of them.
 */
function findCycle(start: Stage, done: Set<Stage>): LineRange[] | undefined {
  const trail: Step[] = [];
  const onTrail = new Set<Stage>();
  const enter = (stage: Stage): void => {
    done.add(stage);
    onTrail.add(stage);
    trail.push({ stage, needs: stage.needs.entries(), range: undefined });
  };
  if (!done.has(start)) enter(start);
  for (let step = trail.at(-1); step !== undefined; step = trail.at(-1)) {
    const next = step.needs.next();
    if (next.done === true) {
      trail.pop();
      onTrail.delete(step.stage);
      continue;
    }
    const [need, range] = next.value;
    step.range = range;
    if (onTrail.has(need)) return trail.flatMap((one) => one.range ?? []);
    if (!done.has(need)) enter(need);
  }
  return undefined;
}

/** Stages must not copy from each other in a circle (D062). */
export function refuseCycles(context: CompileContext): void {
  const done = new Set<Stage>();
  for (const stage of context.stages.stages) {
    const lines = findCycle(stage, done);
    if (lines === undefined) continue;
    throw mistake(
      `stage ${stage.displayName} needs itself: stages copy from each other in a circle`,
      "split what both need into a stage of its own",
    ).with({ source: locate(context.source, lines) });
  }
}
