import type { BuildRecord, StepRecord } from "@tsbuild/engine";

/**
 * The chain of steps that the build's time is made of: from the step that ended last back to the input that ended last, and so
 * on. Making any other step faster would not have made the build faster. Steps from the cache took no time, and exporting has no
 * inputs: both are left out. `end`: of a step that did not end, in milliseconds since the epoch.
 */
export function criticalPath({ steps }: BuildRecord, end: number): ReadonlySet<StepRecord> {
  const byVertex = new Map<string, StepRecord>(steps.map((step) => [step.vertex, step]));
  const path = new Set<StepRecord>();
  const ran = steps.filter((step) => step.internal !== true && step.status !== "cached");
  for (let next = lastEnded(ran, end); next !== undefined && !path.has(next); ) {
    path.add(next);
    const inputs = next.inputs.flatMap((vertex) => byVertex.get(vertex) ?? []);
    next = lastEnded(
      inputs.filter((step) => step.status !== "cached"),
      end,
    );
  }
  return path;
}

function lastEnded(steps: readonly StepRecord[], end: number): StepRecord | undefined {
  return steps.reduce<StepRecord | undefined>(
    (last, step) => (last === undefined || (step.endedAt ?? end) > (last.endedAt ?? end) ? step : last),
    undefined,
  );
}
