import type {
  BuildEvent,
  CacheReason,
  KeptRecord,
  TsbuildError,
  VertexDigest,
  VertexInfo,
} from "@tsbuild/base";
import { NO_BYTES, splitLog } from "./log-lines.ts";
import { StepList } from "./step-list.ts";

/** What a step shows: waiting to start, at work, or how it ended. */
export type StepStatus = "waiting" | "running" | "cached" | "rebuilt" | "failed" | "canceled";

/** A part of a step that counts: a download, an extraction. */
export interface Transfer {
  readonly id: string;
  readonly current: number;
  readonly total: number | undefined;
  readonly unit: "bytes" | "files";
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

export interface LogLine {
  /** Milliseconds since the step began. */
  readonly sinceMs: number;
  readonly text: string;
}

export interface StepLog {
  /** The last lines, at most LOG_TAIL_LINES. */
  readonly lines: readonly LogLine[];
  /** Bytes after the last line break of standard output and of standard error. */
  readonly rest: readonly [Uint8Array, Uint8Array];
}

interface Member {
  readonly vertex: VertexInfo;
  readonly status: StepStatus;
}

/** What is shown as one line: a vertex, or all vertices of a progress group (COPY --link and its merge). */
export interface Step {
  readonly key: string;
  readonly name: string;
  /** From 1, in order of start; undefined while waiting. */
  readonly number: number | undefined;
  readonly status: StepStatus;
  readonly startedAt: number | undefined;
  /** It was ready before, and began when another step had ended. */
  readonly waited: boolean;
  readonly endedAt: number | undefined;
  readonly reason: CacheReason | undefined;
  /** The imported cache that it was taken from. */
  readonly origin: string | undefined;
  readonly error: TsbuildError | undefined;
  readonly transfers: readonly Transfer[];
  readonly log: StepLog;
  readonly members: readonly Member[];
}

export type BuildWarning = Extract<BuildEvent, { type: "warning" }>;

export interface BuildState {
  readonly title: string;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly error: TsbuildError | undefined;
  /** In order of first mention. */
  readonly steps: StepList<Step>;
  readonly indexOf: ReadonlyMap<VertexDigest, number>;
  readonly startedCount: number;
  readonly warnings: readonly BuildWarning[];
  readonly record: KeptRecord | undefined;
}

/** Lines of a step's output kept for the report of a failure. */
export const LOG_TAIL_LINES = 40;

export const initialState: BuildState = {
  title: "",
  startedAt: undefined,
  endedAt: undefined,
  error: undefined,
  steps: StepList.of<Step>([]),
  indexOf: new Map(),
  startedCount: 0,
  warnings: [],
  record: undefined,
};

/** The state after one more event. Pure: every view of a build is made from what this returns. */
export function reduceBuild(state: BuildState, event: BuildEvent): BuildState {
  switch (event.type) {
    case "build-started":
      return { ...state, title: event.title, startedAt: event.at };
    case "graph":
      return addVertices(state, event.vertices);
    case "vertex-started":
      return startVertex(addVertices(state, [event.vertex]), event);
    case "vertex-cached":
      return endVertex(state, event.vertex, "cached", event.at, { origin: event.origin });
    case "vertex-completed":
      return endVertex(state, event.vertex, "rebuilt", event.at, { reason: event.reason });
    case "vertex-failed":
      return endVertex(state, event.vertex, event.canceled ? "canceled" : "failed", event.at, {
        error: event.error,
      });
    case "status":
      return changeStep(state, event.vertex, (step) => ({ transfers: withTransfer(step.transfers, event) }));
    case "log":
      return changeStep(state, event.vertex, (step) => ({ log: withLog(step, event) }));
    case "warning":
      return { ...state, warnings: [...state.warnings, event] };
    case "build-finished":
      return { ...state, endedAt: event.at, error: event.error, record: event.record };
  }
}

export function stepOf(state: BuildState, vertex: VertexDigest): Step | undefined {
  const index = state.indexOf.get(vertex);
  return index === undefined ? undefined : state.steps.at(index);
}

export function isEnded(step: Step): boolean {
  return step.status !== "waiting" && step.status !== "running";
}

function addVertices(state: BuildState, vertices: readonly VertexInfo[]): BuildState {
  if (vertices.every(({ digest }) => state.indexOf.has(digest))) return state;
  const steps = [...state.steps];
  const indexOf = new Map(state.indexOf);
  const groups = new Map(steps.map((step, index) => [step.key, index]));
  for (const vertex of vertices) {
    if (indexOf.has(vertex.digest)) continue;
    const key = vertex.group?.id ?? vertex.digest;
    const index = groups.get(key) ?? steps.length;
    const step = steps[index] ?? newStep(key, vertex);
    steps[index] = { ...step, members: [...step.members, { vertex, status: "waiting" }] };
    indexOf.set(vertex.digest, index);
    groups.set(key, index);
  }
  return { ...state, steps: StepList.of(steps), indexOf };
}

function newStep(key: string, vertex: VertexInfo): Step {
  return {
    key,
    name: vertex.group?.name ?? vertex.name,
    number: undefined,
    status: "waiting",
    startedAt: undefined,
    waited: false,
    endedAt: undefined,
    reason: undefined,
    origin: undefined,
    error: undefined,
    transfers: [],
    log: { lines: [], rest: [NO_BYTES, NO_BYTES] },
    members: [],
  };
}

function changeStep(
  state: BuildState,
  vertex: VertexDigest,
  change: (step: Step) => Partial<Step>,
): BuildState {
  const index = state.indexOf.get(vertex);
  if (index === undefined) return state;
  const step = state.steps.at(index)!;
  return { ...state, steps: state.steps.with(index, { ...step, ...change(step) }) };
}

function startVertex(
  state: BuildState,
  { vertex: { digest: vertex }, at, waited }: Extract<BuildEvent, { type: "vertex-started" }>,
): BuildState {
  const number = stepOf(state, vertex)?.number ?? state.startedCount + 1;
  const next = changeStep(state, vertex, (step) => ({
    number,
    members: withMember(step.members, vertex, "running"),
    status: "running",
    startedAt: step.startedAt ?? at,
    // Of a group the first vertex, which the time of the step is counted from.
    waited: step.startedAt === undefined ? waited === true : step.waited,
    endedAt: undefined,
  }));
  return { ...next, startedCount: Math.max(state.startedCount, number) };
}

function endVertex(
  state: BuildState,
  vertex: VertexDigest,
  status: StepStatus,
  at: number,
  details: {
    readonly reason?: CacheReason | undefined;
    readonly error?: TsbuildError;
    readonly origin?: string | undefined;
  },
): BuildState {
  return changeStep(state, vertex, (step) => {
    const members = withMember(step.members, vertex, status);
    const joint = groupStatus(members);
    const ended = joint !== "running" && joint !== "waiting";
    return {
      members,
      status: joint,
      endedAt: ended ? at : undefined,
      reason: step.reason ?? details.reason,
      origin: step.origin ?? details.origin,
      error: status === "failed" ? (step.error ?? details.error) : step.error,
      transfers: ended
        ? step.transfers.map((part) => ({ ...part, endedAt: part.endedAt ?? at }))
        : step.transfers,
    };
  });
}

function withMember(members: readonly Member[], vertex: VertexDigest, status: StepStatus): readonly Member[] {
  return members.map((member) => (member.vertex.digest === vertex ? { ...member, status } : member));
}

/**
 * A group has ended when each of its last vertices has (those that no other member takes as input): a cached last
 * vertex means that the ones before it never run. A failure ends it at once.
 */
function groupStatus(members: readonly Member[]): StepStatus {
  const has = (status: StepStatus) => members.some((member) => member.status === status);
  if (has("failed")) return "failed";
  if (has("running")) return "running";
  if (has("canceled")) return "canceled";
  const inputs = new Set(members.flatMap((member) => member.vertex.inputs));
  const lasts = members.filter((member) => !inputs.has(member.vertex.digest));
  if (lasts.some((member) => member.status === "waiting")) return "running";
  return has("rebuilt") ? "rebuilt" : "cached";
}

function withTransfer(
  transfers: readonly Transfer[],
  event: Extract<BuildEvent, { type: "status" }>,
): readonly Transfer[] {
  const index = transfers.findIndex((transfer) => transfer.id === event.id);
  const before = transfers[index];
  const transfer: Transfer = {
    id: event.id,
    current: event.current,
    total: event.total ?? before?.total,
    unit: event.unit ?? before?.unit ?? "bytes",
    startedAt: before?.startedAt ?? event.at,
    endedAt: event.done === true ? event.at : before?.endedAt,
  };
  return before === undefined ? [...transfers, transfer] : transfers.with(index, transfer);
}

function withLog(step: Step, event: Extract<BuildEvent, { type: "log" }>): StepLog {
  const [out, err] = step.log.rest;
  const { lines, rest } = splitLog(event.stream === 1 ? out : err, event.data);
  const sinceMs = event.at - (step.startedAt ?? event.at);
  const fresh = lines.slice(-LOG_TAIL_LINES).map((text) => ({ sinceMs, text }));
  return {
    lines: fresh.length === 0 ? step.log.lines : [...step.log.lines, ...fresh].slice(-LOG_TAIL_LINES),
    rest: event.stream === 1 ? [rest, err] : [out, rest],
  };
}
