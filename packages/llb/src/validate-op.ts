import { TsbuildError } from "@tsbuild/base";
import type { ExecOp, FileAction, FileOp, Op } from "./op.ts";

function invalid(what: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `the LLB definition is not valid: ${what}`);
}

/** An index into `count` things; -1 stands for none. */
function checkIndex(index: number, count: number, what: string): void {
  if (index < -1 || index >= count) throw invalid(`${what} ${index} does not exist`);
}

function checkExec(op: ExecOp, inputs: number): void {
  if (op.meta.args.length === 0) throw invalid("an exec op has no arguments");
  if (op.meta.cwd === "") throw invalid("an exec op has no working directory");
  if (op.mounts.length === 0) throw invalid("an exec op has no mounts");
  if (!op.mounts.some((mount) => mount.dest === "/")) throw invalid("an exec op has no root mount");
  for (const mount of op.mounts) {
    checkIndex(mount.input, inputs, "the input of a mount");
    if (mount.output < -1) throw invalid(`the output of a mount ${mount.output} is negative`);
    if (mount.type === "cache" && mount.cache === undefined) throw invalid("a cache mount has no id");
  }
}

/** An action may use inputs and results of actions before it, never of itself or later ones. */
function checkAction(action: FileAction, before: number): void {
  checkIndex(action.input, before, "the input of a file action");
  checkIndex(action.secondaryInput, before, "the second input of a file action");
  if (action.output < -1) throw invalid(`the output of a file action ${action.output} is negative`);
}

function checkFile(op: FileOp, inputs: number): void {
  if (op.actions.length === 0) throw invalid("a file op has no actions");
  for (const [index, action] of op.actions.entries()) checkAction(action, inputs + index);
}

/** What the solver and the executors rely on in an op that came from outside (TSB_USAGE if it does not hold). */
export function validateOp(op: Op): void {
  const inputs = op.inputs.length;
  switch (op.kind.type) {
    case "source":
      if (!op.kind.identifier.includes("://")) throw invalid("a source op has no scheme");
      return;
    case "exec":
      checkExec(op.kind, inputs);
      return;
    case "file":
      checkFile(op.kind, inputs);
      return;
    case "merge":
      for (const index of op.kind.inputs) checkIndex(index, inputs, "the input of a merge op");
      return;
    case "diff":
      checkIndex(op.kind.lower, inputs, "the lower input of a diff op");
      checkIndex(op.kind.upper, inputs, "the upper input of a diff op");
      return;
    case "build":
      checkIndex(op.kind.builder, inputs, "the builder of a build op");
      for (const index of Object.values(op.kind.inputs)) checkIndex(index, inputs, "the input of a build op");
      return;
  }
}
