import type { BuildRecord, StepRecord } from "@tsbuild/engine";

/**
 * The chain of steps that the build's time is made of: from the step that ended last back to the input that ended last, and so on.
 * Making any other step faster would not have made the build faster. Loading and exporting are left out: they have no inputs.
 */
export function criticalPath({ steps }: BuildRecord): ReadonlySet<StepRecord> {
  const byVertex = new Map<string, StepRecord>(steps.map((step) => [step.vertex, step]));
  const path = new Set<StepRecord>();
  const ran = steps.filter((step) => step.internal !== true && step.status !== "cached");
  for (let next = lastEnded(ran); next !== undefined && !path.has(next); ) {
    path.add(next);
    const inputs = next.inputs.flatMap((vertex) => byVertex.get(vertex) ?? []);
    next = lastEnded(inputs.filter((step) => step.status !== "cached"));
  }
  return path;
}

function lastEnded(steps: readonly StepRecord[]): StepRecord | undefined {
  const end = (step: StepRecord) => step.endedAt ?? Number.POSITIVE_INFINITY;
  return steps.reduce<StepRecord | undefined>(
    (last, step) => (last === undefined || end(step) > end(last) ? step : last),
    undefined,
  );
}
