import type { BuildRecord, StepRecord } from "@tsbuild/engine";

/** Of the Trace Event Format: a span (`X`), or the name of a process or a row (`M`). */
interface TraceEvent {
  readonly name: string;
  readonly cat?: string;
  readonly ph: "X" | "M";
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly pid: 1;
  readonly tid: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Trace {
  readonly displayTimeUnit: "ms";
  readonly traceEvents: readonly TraceEvent[];
}

/** A build for chrome://tracing and Perfetto; steps that overlap are on rows of their own, those from the cache have no length. */
export function traceOf(build: BuildRecord): Trace {
  const rowEnds: number[] = [];
  const spans = build.steps
    .toSorted((a, b) => a.startedAt - b.startedAt)
    .map((step) => {
      const endedAt = step.endedAt ?? build.finishedAt ?? step.startedAt;
      const free = rowEnds.findIndex((end) => end <= step.startedAt);
      const row = free < 0 ? rowEnds.length : free;
      rowEnds[row] = endedAt;
      return spanOf(step, endedAt, row + 1);
    });
  const rows = rowEnds.map((_, row) => nameOf("thread_name", row + 1, `row ${row + 1}`));
  const title = nameOf("process_name", 0, `${build.title} (${build.id}, ${build.status})`);
  return { displayTimeUnit: "ms", traceEvents: [title, ...rows, ...spans] };
}

function nameOf(name: string, tid: number, text: string): TraceEvent {
  return { name, ph: "M", pid: 1, tid, args: { name: text } };
}

function spanOf(step: StepRecord, endedAt: number, tid: number): TraceEvent {
  const { number, vertex, status, reason, error, sizeBytes, peakMemoryBytes, cpuMs, stage } = step;
  return {
    name: step.name,
    cat: status,
    ph: "X",
    ts: Math.round(step.startedAt * 1000),
    dur: Math.max(0, Math.round((endedAt - step.startedAt) * 1000)),
    pid: 1,
    tid,
    args: {
      number,
      status,
      stage,
      reason: reason?.text,
      error: error?.message,
      sizeBytes,
      peakMemoryBytes,
      cpuMs,
      vertex,
    },
  };
}
