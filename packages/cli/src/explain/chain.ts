import type { BuildRecord } from "@tsbuild/engine";

export type Step = BuildRecord["steps"][number];

/**
 * From a step to the cause at the end: each further one is the input whose change made the one before run. A step that found itself changed
 * is the whole chain.
 */
export function chainOf(build: BuildRecord, step: Step): readonly Step[] {
  const byVertex = new Map(build.steps.map((one) => [one.vertex, one]));
  const chain: Step[] = [];
  for (let next: Step | undefined = step; next !== undefined && !chain.includes(next); ) {
    chain.push(next);
    const because: Step["vertex"] | undefined = next.reason?.because;
    next = because === undefined ? undefined : byVertex.get(because);
  }
  return chain;
}
