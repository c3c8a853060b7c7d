import {
  type BuildEvent,
  type CacheReason,
  errnoCode,
  type KeptRecord,
  type SnapshotId,
  sha256,
  TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import type { Graph, Vertex } from "@tsbuild/llb";
import { SecretMask, type StepGrants } from "@tsbuild/ops";
import type { KeptStep } from "@tsbuild/ops/kept-step";
import type { VertexOp } from "@tsbuild/solver";
import type { HistoryWriter, Store } from "@tsbuild/store";
import type { CompleteRequest } from "../complete-request.ts";
import type { Settings } from "../settings.ts";
import { DelayedWrite } from "./delayed-write.ts";
import { type BuildRecord, RECORD_VERSION, type RecordedError, type StepRecord } from "./record.ts";
import { recordedRequest, recordMask } from "./request.ts";
import { failedOutputs, graphFacts, type StepFacts, snapshotName, watchOp } from "./step-facts.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Writes one build's record from its events. A history that cannot be written is a warning, never a failed build: without its
 * output when only that could not be written, else not at all.
 *
 * A build that finds everything in the cache is over before anything but its end is written: it pays for a lock and a small file, and about
 * 2 ms in all on a cold start.
 */
export class BuildRecorder {
  readonly #store: Store;
  readonly #emit: (event: BuildEvent) => void;
  readonly #bounds: Settings["history"];
  readonly #startedAt = Date.now();
  readonly #steps = new Map<VertexDigest, Writable<StepRecord>>();
  readonly #facts = new Map<VertexDigest, StepFacts>();
  #record: Writable<Omit<BuildRecord, "steps">> | undefined;
  #writer: HistoryWriter | undefined;
  #mask = new SecretMask([]);
  #givenUp: Promise<void> | undefined;
  readonly #later = new DelayedWrite(
    () => this.#writer?.writeLater(this.#document()),
    (error) =>
      this.#safely(() => {
        throw error;
      }),
  );
  #warned = false;

  constructor(
    store: Store,
    options: { readonly emit: (event: BuildEvent) => void; readonly bounds: Settings["history"] },
  ) {
    this.#store = store;
    this.#emit = options.emit;
    this.#bounds = options.bounds;
  }

  /** When the build began, milliseconds since the epoch. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Undefined when there is no record. */
  get id(): string | undefined {
    return this.#writer?.id;
  }

  /** So far, with what is known of them. */
  get steps(): readonly StepRecord[] {
    return Array.from(this.#steps.values(), (step) => ({ ...this.#facts.get(step.vertex), ...step }));
  }

  /** From here on there is a record. A request that is refused before (a bad name, a secret that is not there) is no build. */
  begin(request: CompleteRequest, grants: StepGrants): void {
    const mask = recordMask(request, grants);
    this.#mask = mask;
    this.#safely(() => {
      this.#writer = this.#store.history.begin(this.#startedAt);
      this.#record = {
        version: RECORD_VERSION,
        id: this.#writer.id,
        status: "running",
        startedAt: this.#startedAt,
        title: request.tags[0] ?? request.target ?? "image",
        request: recordedRequest(request, mask),
        warnings: 0,
      };
      this.#changed();
    });
  }

  /** Keeps what an event tells, and hands it on. */
  readonly sink = (event: BuildEvent): void => {
    if (this.#writer !== undefined) this.#safely(() => this.#take(event));
    this.#emit(event);
  };

  dockerfile(source: { readonly file: string; readonly text: string }): void {
    if (this.#record !== undefined) {
      this.#record.dockerfile = { file: source.file, digest: sha256(Buffer.from(source.text)) };
    }
  }

  graph(graph: Graph): void {
    for (const [vertex, facts] of graphFacts(graph)) this.#note(vertex, facts);
  }

  /** The most memory that a step took, once it has run. */
  peakMemoryOf(vertex: VertexDigest): number | undefined {
    return this.#facts.get(vertex)?.peakMemoryBytes;
  }

  watch(vertex: Vertex, op: VertexOp): VertexOp {
    return watchOp(vertex, op, { mask: this.#mask, note: (facts) => this.#note(vertex.digest, facts) });
  }

  /** What a step that failed left and what it ran on stays as long as this build is one of the last that failed (W002). */
  keepFailed(step: KeptStep, project: string): void {
    const outputSnapshots = failedOutputs(step);
    this.#note(step.vertex, { outputSnapshots });
    const known = [...step.inputs.map(snapshotName), ...outputSnapshots].filter((id) => id !== null);
    this.#safely(() => this.#writer?.keep({ project, snapshots: known as SnapshotId[] }));
  }

  /** The end: sizes that are known by now, the result, the bounds. Undefined when there is no record. */
  finish(end: {
    readonly imageId?: BuildRecord["imageId"];
    readonly error?: TsbuildError;
  }): KeptRecord | undefined {
    const { error } = end;
    this.#safely(() => {
      if (this.#record === undefined) return;
      const status = error === undefined ? "ok" : error.code === "TSB_CANCELED" ? "canceled" : "failed";
      Object.assign(this.#record, { status, finishedAt: Date.now(), imageId: end.imageId });
      if (error !== undefined) this.#record.error = this.#recordedError(error);
      for (const [vertex, facts] of this.#facts) this.#addSize(vertex, facts);
      this.#write();
    });
    const id = this.#writer?.id;
    const logged = [...this.#steps.values()].filter(({ hasLog }) => hasLog);
    this.#safely(() => {
      this.#writer?.close();
      this.#writer = undefined;
    });
    this.#safely(() => {
      const wrote = logged.length > 0;
      this.#store.history.trim({ ...this.#bounds, logBytes: wrote ? this.#bounds.logBytes : undefined });
    }, "old builds are not removed from the history");
    return id === undefined
      ? undefined
      : {
          id,
          failedStep: logged.find(({ status }) => status === "failed")?.number,
          layerBytes: this.#layerBytes(),
        };
  }

  #layerBytes(): KeptRecord["layerBytes"] {
    const known = [...this.#facts].flatMap(([vertex, { sizeBytes }]) =>
      sizeBytes === undefined ? [] : [[vertex, sizeBytes] as const],
    );
    return known.length === 0 ? undefined : Object.fromEntries(known);
  }

  #note(vertex: VertexDigest, facts: StepFacts): void {
    this.#facts.set(vertex, { ...this.#facts.get(vertex), ...facts });
  }

  #take(event: BuildEvent): void {
    switch (event.type) {
      case "vertex-started":
        this.#start(event);
        break;
      case "vertex-cached":
        this.#end(event.vertex, event.at, { status: "cached" });
        break;
      case "vertex-completed":
        this.#end(event.vertex, event.at, { status: "ok", reason: this.#reason(event.reason) });
        break;
      case "vertex-failed":
        this.#end(event.vertex, event.at, {
          status: event.canceled ? "canceled" : "failed",
          error: this.#recordedError(event.error),
        });
        break;
      case "log":
        this.#log(event);
        break;
      case "warning":
        if (this.#record !== undefined) this.#record.warnings++;
        break;
    }
  }

  #reason(reason: CacheReason | undefined): CacheReason | undefined {
    if (reason === undefined) return undefined;
    const hide = (text: string | undefined) => text && this.#mask.text(text);
    const changes = reason.changes?.map(({ name, before, after }) => ({
      name,
      before: hide(before),
      after: hide(after),
    }));
    return { ...reason, text: this.#mask.text(reason.text), changes };
  }

  /** A vertex may start again: it was shown as cached, and then its result was needed and gone. */
  #start({ vertex, at, waited }: Extract<BuildEvent, { type: "vertex-started" }>): void {
    const { digest, inputs, internal } = vertex;
    const number = this.#steps.get(digest)?.number ?? this.#steps.size + 1;
    const name = this.#mask.text(vertex.name);
    this.#steps.set(digest, {
      number,
      name,
      vertex: digest,
      inputs,
      internal,
      status: "running",
      startedAt: at,
      waited,
    });
    this.#changed();
  }

  #end(vertex: VertexDigest, at: number, change: Partial<StepRecord>): void {
    const step = this.#steps.get(vertex);
    if (step === undefined) return;
    Object.assign(step, { endedAt: at }, change);
    this.#changed();
  }

  #log({ vertex, stream, at, data }: Extract<BuildEvent, { type: "log" }>): void {
    const step = this.#steps.get(vertex);
    if (step === undefined || this.#record?.logsLost === true) return;
    try {
      if (step.hasLog !== true) {
        step.hasLog = true;
        this.#changed();
      }
      this.#writer?.log(String(step.number), { stream, at, data });
    } catch (error) {
      this.#dropLogs(error);
    }
  }

  /** A disk that is full needs its room for the build, not for what is on the screen already. */
  #dropLogs(error: unknown): void {
    if (this.#record !== undefined) this.#record.logsLost = true;
    for (const step of this.#steps.values()) step.hasLog = undefined;
    this.#warn("the output of this build is not kept", error);
    this.#writer?.dropLogs();
  }

  #addSize(vertex: VertexDigest, { outputSnapshots }: StepFacts): void {
    const top = outputSnapshots?.[0];
    if (top === undefined || top === null) return;
    const { snapshots } = this.#store;
    // Another process may have pruned it.
    if (!snapshots.exists(top as SnapshotId)) return;
    const { sizeBytes } = snapshots.topLayer(top as SnapshotId);
    if (sizeBytes !== undefined) this.#note(vertex, { sizeBytes });
  }

  #changed(): void {
    this.#later.changed();
  }

  /** To be waited for before `finish`: then nothing of this build is being written. */
  async settle(): Promise<void> {
    await this.#later.stop();
    await this.#givenUp;
  }

  #document(): string {
    return JSON.stringify({ ...this.#record, steps: this.steps });
  }

  #write(): void {
    this.#writer?.write(this.#document());
  }

  #recordedError({ code, message }: TsbuildError): RecordedError {
    return { code, message: this.#mask.text(message) };
  }

  #safely(work: () => void, failed = "this build is not in the history"): void {
    try {
      work();
    } catch (error) {
      this.#warn(failed, error);
      this.#giveUp();
    }
  }

  /** Without its record: one that says "running" and is not open would be taken for a crash. */
  #giveUp(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    // Not under what is being written.
    this.#givenUp = this.#later
      .stop()
      .then(() => writer?.discard())
      .catch((error: unknown) => this.#warn("what was written of this build's history stays", error));
  }

  #warn(what: string, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const why = error instanceof TsbuildError ? error.message : (errnoCode(error) ?? String(error));
    this.#emit({ type: "warning", at: Date.now(), message: `${what}: ${why}` });
  }
}
