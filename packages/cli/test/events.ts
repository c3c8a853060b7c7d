import {
  type BuildEvent,
  type CacheReason,
  type KeptRecord,
  sha256,
  TsbuildError,
  type VertexDigest,
  type VertexInfo,
} from "@tsbuild/base";
import type { Printer } from "../src/progress/printer.ts";
import type { BuildOutcome } from "../src/progress/report.ts";
import { type BuildState, initialState, reduceBuild } from "../src/progress/state.ts";

/** 2026-01-02T03:04:05.000Z: time 0 of every recorded stream. */
export const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);

/** The digest that stands for a vertex of this name in tests. */
export function digest(name: string): VertexDigest {
  return sha256(name) as string as VertexDigest;
}

export function vertex(name: string, details: Partial<VertexInfo> = {}): VertexInfo {
  return { digest: digest(name), name, inputs: [], ...details };
}

/** Events by hand, times in milliseconds since T0, vertices by their names. */
export const on = {
  begin: (at = 0): BuildEvent => ({ type: "build-started", at: T0 + at, title: "app" }),
  graph: (at: number, ...names: string[]): BuildEvent => ({
    type: "graph",
    at: T0 + at,
    vertices: names.map((name) => vertex(name)),
  }),
  start: (at: number, name: string, details: Partial<VertexInfo> = {}): BuildEvent => ({
    type: "vertex-started",
    at: T0 + at,
    vertex: vertex(name, details),
  }),
  cached: (at: number, name: string): BuildEvent => ({
    type: "vertex-cached",
    at: T0 + at,
    vertex: digest(name),
  }),
  done: (at: number, name: string, reason?: CacheReason): BuildEvent => ({
    type: "vertex-completed",
    at: T0 + at,
    vertex: digest(name),
    reason,
  }),
  failed: (at: number, name: string, message: string): BuildEvent => ({
    type: "vertex-failed",
    at: T0 + at,
    vertex: digest(name),
    canceled: false,
    error: new TsbuildError("TSB_EXEC", message, { vertex: digest(name) }),
  }),
  canceled: (at: number, name: string): BuildEvent => ({
    type: "vertex-failed",
    at: T0 + at,
    vertex: digest(name),
    canceled: true,
    error: new TsbuildError("TSB_CANCELED", "canceled"),
  }),
  log: (at: number, name: string, data: string | Uint8Array, stream: 1 | 2 = 1): BuildEvent => ({
    type: "log",
    at: T0 + at,
    vertex: digest(name),
    stream,
    data: typeof data === "string" ? Buffer.from(data) : data,
  }),
  status: (
    at: number,
    name: string,
    id: string,
    current: number,
    total?: number,
    done = false,
  ): BuildEvent => ({
    type: "status",
    at: T0 + at,
    vertex: digest(name),
    id,
    current,
    total,
    done,
  }),
  end: (at: number, error?: TsbuildError, record?: KeptRecord): BuildEvent => ({
    type: "build-finished",
    at: T0 + at,
    error,
    record,
  }),
};

export function stateAfter(...events: BuildEvent[]): BuildState {
  return events.reduce(reduceBuild, initialState);
}

/** Everything that a printer writes for a stream. */
export function printed(printer: Printer, events: readonly BuildEvent[], outcome: BuildOutcome): string {
  return events.map((event) => printer.print(event)).join("") + printer.finish(outcome);
}
