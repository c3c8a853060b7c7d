import type { BuildRecord, StepRecord } from "@tsbuild/engine";

interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: "X";
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly pid: 1;
  readonly tid: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A build in the Trace Event Format of Chrome; steps that overlap are on rows of their own. */
export function traceOf(build: BuildRecord): { readonly traceEvents: readonly TraceEvent[] } {
  const rowEnds: number[] = [];
  const traceEvents = build.steps.map((step) => {
    const endedAt = step.endedAt ?? build.finishedAt ?? step.startedAt;
    const free = rowEnds.findIndex((end) => end <= step.startedAt);
    const row = free < 0 ? rowEnds.length : free;
    rowEnds[row] = endedAt;
    return eventOf(step, endedAt, row);
  });
  return { traceEvents };
}

function eventOf(step: StepRecord, endedAt: number, row: number): TraceEvent {
  return {
    name: step.name,
    cat: step.status,
    ph: "X",
    ts: Math.round(step.startedAt * 1000),
    dur: Math.max(0, Math.round((endedAt - step.startedAt) * 1000)),
    pid: 1,
    tid: row + 1,
    args: { vertex: step.vertex, reason: step.reason?.text, sizeBytes: step.sizeBytes },
  };
}
