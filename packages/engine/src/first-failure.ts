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

/** Copies what was asked for out of the failed step. */
export async function saveOutputs(run: BuildRun, first: FirstFailure | undefined): Promise<void> {
  const { signal, emit } = run;
  const { failureOutputs = [] } = run.request;
  if (failureOutputs.length === 0 || signal.aborted) return;
  if (first === undefined) {
    const message = "nothing is copied by --output-on-fail: no RUN failed, or its files were not kept";
    emit({ type: "warning", at: Date.now(), message });
    return;
  }
  const { saveFailureOutputs } = await import("./failure-output.ts");
  await saveFailureOutputs(first, failureOutputs, { signal, emit });
}
