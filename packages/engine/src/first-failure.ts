import type { TsbuildError } from "@tsbuild/base";
import type { OpsEnvironment } from "@tsbuild/ops";
import type { KeptStep } from "@tsbuild/ops/kept-step";
import type { BuildRun } from "./build.ts";

/** The first step that failed, with what its build still holds for it. */
export interface FirstFailure {
  readonly step: KeptStep;
  readonly env: OpsEnvironment;
}

/** Gives up a failed step's files. */
export function releaseStep(step: KeptStep): void {
  step.after.release();
  for (const ref of step.inputs) ref.release();
}

/** Tells whoever asked for it of the failed step, and lets go of it. */
export async function showFailed(
  run: BuildRun,
  first: FirstFailure | undefined,
  error: TsbuildError,
): Promise<void> {
  if (first === undefined) return;
  try {
    if (run.request.onFailedStep === undefined || run.signal.aborted) return;
    const { failedStep } = await import("./failed-step.ts");
    await run.request.onFailedStep(failedStep(first.env, first.step, { error, signal: run.signal }));
  } finally {
    releaseStep(first.step);
  }
}
