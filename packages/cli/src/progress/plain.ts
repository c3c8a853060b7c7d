import { type BuildEvent, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { safeLine, safeName } from "../sanitize.ts";
import { lineText, NO_BYTES, partialText, splitLog } from "./log-lines.ts";
import { githubGroups, noGroups, PlainMux } from "./plain-mux.ts";
import { joinLines, type Printer } from "./printer.ts";
import {
  type BuildOutcome,
  countLine,
  failureTail,
  imageLines,
  rebuildReason,
  warningLines,
} from "./report.ts";
import {
  type BuildState,
  initialState,
  isEnded,
  reduceBuild,
  type Step,
  stepOf,
  type Transfer,
} from "./state.ts";
import { tableLines } from "./table.ts";
import { formatBytes, formatSeconds, logTime } from "./units.ts";

/** A transfer at work, or a line that is rewritten again and again, is printed at most this often. */
const REPEAT_MS = 5000;

interface OpenLine {
  readonly rest: Uint8Array;
  readonly printedAt: number;
}

/** Lines of text for logs and CI (C039): `#N [stage i/n] CMD`, `#N 0.123 text`, `#N DONE 1.2s`. */
export class PlainPrinter implements Printer {
  readonly #colors: boolean;
  readonly #mux: PlainMux;
  #state: BuildState = initialState;
  readonly #open = new Map<string, OpenLine>();
  readonly #transferPrintedAt = new Map<string, number>();

  /**
   * `colors`: the stream is a terminal that shows colours; colours of logs are kept then. `groups`: the log is GitHub's, which folds what stands between
   * its marks.
   */
  constructor(options: { readonly colors: boolean; readonly groups?: boolean | undefined }) {
    this.#colors = options.colors;
    this.#mux = new PlainMux(options.groups === true ? githubGroups : noGroups);
  }

  print(event: BuildEvent): string {
    const before = this.#state;
    this.#state = reduceBuild(before, event);
    switch (event.type) {
      case "vertex-started":
        this.#started(before, event.vertex.digest, event.at);
        break;
      case "status":
        this.#transfer(event);
        break;
      case "log":
        this.#log(event);
        break;
      case "vertex-cached":
      case "vertex-completed":
      case "vertex-failed":
        this.#ended(before, event.vertex, event.at);
        break;
    }
    return this.#mux.take(event.at);
  }

  tick(at: number): string {
    return this.#mux.take(at);
  }

  finish(outcome: BuildOutcome): string {
    const state = this.#state;
    for (const step of state.steps) if (step.status === "running") this.#close(step, "CANCELED", 0);
    const known = outcome.error instanceof TsbuildError ? outcome.error : undefined;
    const failed = outcome.error !== undefined;
    const summary = state.startedCount === 0 ? [] : [countLine(state, verb(known, failed))];
    return (
      this.#mux.takeAll() +
      joinLines([
        ...tableLines(state),
        ...warningLines(state.warnings),
        ...(failed ? failureTail(state, known) : []),
        ...summary,
        ...imageLines(outcome.result),
      ])
    );
  }

  #started(before: BuildState, vertex: VertexDigest, at: number): void {
    const step = stepOf(this.#state, vertex);
    if (step?.number === undefined || stepOf(before, vertex)?.status === "running") return;
    this.#mux.open(step.number, `#${step.number} ${safeName(step.name)}`, at);
  }

  #line(step: Step, text: string, at: number): void {
    if (step.number !== undefined) this.#mux.add(step.number, `#${step.number} ${text}`.trimEnd(), at);
  }

  #log(event: Extract<BuildEvent, { type: "log" }>): void {
    const step = stepOf(this.#state, event.vertex);
    if (step === undefined) return;
    const key = `${step.key} ${event.stream}`;
    const before = this.#open.get(key);
    const { lines, rest } = splitLog(before?.rest ?? NO_BYTES, event.data);
    const printedAt = lines.length > 0 ? event.at : (before?.printedAt ?? event.at);
    for (const line of lines) this.#logLine(step, line, event.at);
    this.#open.set(key, { rest, printedAt });
    if (event.at - printedAt >= REPEAT_MS && rest.includes(0x0d)) {
      this.#logLine(step, lineText(rest), event.at);
      this.#open.set(key, { rest, printedAt: event.at });
    }
  }

  #logLine(step: Step, text: string, at: number): void {
    const since = logTime(at - (step.startedAt ?? at));
    this.#line(step, `${since} ${safeLine(text, this.#colors)}`, at);
  }

  #transfer(event: Extract<BuildEvent, { type: "status" }>): void {
    const step = stepOf(this.#state, event.vertex);
    const transfer = step?.transfers.find((candidate) => candidate.id === event.id);
    if (step === undefined || transfer === undefined) return;
    const key = `${step.key} ${event.id}`;
    const printedAt = this.#transferPrintedAt.get(key) ?? transfer.startedAt;
    if (event.done !== true && event.at - printedAt < REPEAT_MS) return;
    this.#transferPrintedAt.set(key, event.at);
    this.#line(step, transferText(transfer, event.at), event.at);
  }

  #ended(before: BuildState, vertex: VertexDigest, at: number): void {
    const step = stepOf(this.#state, vertex);
    if (step === undefined || !isEnded(step)) return;
    const earlier = stepOf(before, vertex);
    if (earlier !== undefined && isEnded(earlier)) return;
    this.#close(step, endText(step), at);
  }

  /** The line without an end that a step leaves, why it ran, and how it ended. */
  #close(step: Step, end: string, at: number): void {
    if (step.number === undefined) return;
    for (const stream of [1, 2]) {
      const key = `${step.key} ${stream}`;
      const text = partialText(this.#open.get(key)?.rest ?? NO_BYTES);
      if (text !== "") this.#logLine(step, text, step.endedAt ?? at);
      this.#open.delete(key);
    }
    const reason = step.status === "rebuilt" ? rebuildReason(step) : undefined;
    if (reason !== undefined) this.#line(step, `(rebuilt: ${reason})`, at);
    this.#line(step, end, at);
    this.#mux.close(step.number);
  }
}

function verb(error: TsbuildError | undefined, failed: boolean): string {
  if (!failed) return "built";
  return error?.code === "TSB_CANCELED" ? "canceled" : "failed";
}

function endText(step: Step): string {
  switch (step.status) {
    case "cached":
      return step.origin === undefined ? "CACHED" : `CACHED (from ${safeName(step.origin)})`;
    case "failed":
      return `ERROR: ${safeName(step.error?.message ?? "failed")}`;
    case "canceled":
      return "CANCELED";
    default:
      return `DONE ${formatSeconds((step.endedAt ?? 0) - (step.startedAt ?? 0))}`;
  }
}

/** `sha256:… 12.3MB / 45.6MB 1.2s done`. */
function transferText(transfer: Transfer, at: number): string {
  const show = (value: number) => (transfer.unit === "bytes" ? formatBytes(value) : `${value} files`);
  const total = transfer.total === undefined ? "" : ` / ${show(transfer.total)}`;
  const amount =
    transfer.current === 0 && transfer.total === undefined ? "" : ` ${show(transfer.current)}${total}`;
  const end = transfer.endedAt === undefined ? "" : ` ${formatSeconds(at - transfer.startedAt)} done`;
  return `${safeName(transfer.id)}${amount}${end}`;
}
