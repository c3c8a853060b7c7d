import type { LineRange } from "@tsbuild/base";
import type { Command, WordOptions } from "@tsbuild/dockerfile";
import type { StepPragma } from "@tsbuild/llb";
import type { CompileContext } from "../context.ts";
import type { RuleName } from "../lint/rules.ts";
import type { Stage } from "../stage.ts";
import type { StageBuild } from "../stage-build.ts";

/** One instruction on its way: what it says, the stage that it changes, and the stages that it takes from. */
export interface Step<C extends Command = Command> {
  readonly command: C;
  readonly build: StageBuild;
  readonly context: CompileContext;
  readonly sources: readonly (Stage | undefined)[];
  /** Lines that errors and vertices point to: those of the FROM for a trigger. */
  readonly range: LineRange;
  readonly onbuild: boolean;
  /** What the comments right above ask of the step. */
  readonly pragma: StepPragma;
  /** Expands a word with the variables before this instruction (D040) and reports unknown ones. */
  expand(word: string, options?: WordOptions): string;
  /** Warns at the lines of this instruction, or at others. */
  lint(rule: RuleName, message: string, range?: LineRange): void;
}

/** `ONBUILD RUN make` for a trigger. */
export function shownText(step: Step, text: string): string {
  return step.onbuild ? `ONBUILD ${text}` : text;
}
