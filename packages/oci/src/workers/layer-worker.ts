import { availableParallelism } from "node:os";
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { nativeFs } from "@tsbuild/native-fs";
import type { UnpackedLayer } from "../layer/unpack-layer.ts";
import { GrowingFile, type Growth } from "./growing-file.ts";
import { type JobContext, runPackJob, runUnpackJob } from "./job.ts";
import {
  SLOT_BYTES,
  SLOT_COUNT,
  slotBytes,
  toPlainFailure,
  WORKER_MARK,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";

/** True in a thread that a `LayerWorkers` pool has started. */
function isLayerWorker(): boolean {
  const mark = (workerData as { readonly tsbuildWorker?: unknown } | null)?.tsbuildWorker;
  return !isMainThread && mark === WORKER_MARK.tsbuildWorker;
}

/** The worker's side of one job: chunks go out as far as there are free slots for them. */
class RunningJob {
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  readonly #free = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  #granted: (() => void) | undefined;
  #growing: GrowingFile | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  #reply(reply: WorkerReply): void {
    this.#port.postMessage(reply);
  }

  free(slot: number): void {
    this.#free.push(slot);
    this.#granted?.();
  }

  grown({ sizeBytes, ended }: Growth): void {
    this.#growing?.grow(sizeBytes);
    if (ended) this.#growing?.end();
  }

  cancel(): void {
    this.#abort.abort();
    this.#granted?.();
  }

  async #freeSlot(): Promise<number> {
    for (let slot = this.#free.shift(); ; slot = this.#free.shift()) {
      this.#abort.signal.throwIfAborted();
      if (slot !== undefined) return slot;
      await new Promise<void>((resolve) => {
        this.#granted = resolve;
      });
    }
  }

  async #emit(chunk: Uint8Array, slots: SharedArrayBuffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += SLOT_BYTES) {
      const part = chunk.subarray(at, at + SLOT_BYTES);
      const slot = await this.#freeSlot();
      slotBytes(slots, slot, part.length).set(part);
      this.#reply({ type: "chunk", slot, sizeBytes: part.length });
    }
  }

  async run(request: Extract<WorkerRequest, { job: unknown }>): Promise<void> {
    const context: JobContext = {
      fs: nativeFs,
      signal: this.#abort.signal,
      onSkipped: (path, why) => this.#reply({ type: "skipped", path, why }),
    };
    try {
      const result =
        request.type === "pack"
          ? await runPackJob(request.job, context, (chunk) => this.#emit(chunk, request.slots))
          : await this.#unpack(request, context);
      this.#reply({ type: "done", result });
    } catch (error) {
      this.#reply({ type: "failed", failure: toPlainFailure(error) });
    }
  }

  #unpack(request: Extract<WorkerRequest, { type: "unpack" }>, base: JobContext): Promise<UnpackedLayer> {
    const { blob, ...job } = request.job;
    const busy = new Int32Array(request.busy);
    const processors = availableParallelism();
    const context = { ...base, isCrowded: () => Atomics.load(busy, 0) >= processors };
    if (typeof blob === "string") return runUnpackJob({ ...job, blob }, context);
    this.#growing = new GrowingFile(blob.fd);
    return runUnpackJob({ ...job, blob: this.#growing }, context);
  }
}

/** Serves jobs until the pool ends the thread. */
function runLayerWorker(): void {
  const port = parentPort;
  if (port === null) throw new Error("assertion failed: a layer worker has a parent");
  let running: RunningJob | undefined;
  port.on("message", (request: WorkerRequest) => {
    if (request.type === "free") running?.free(request.slot);
    else if (request.type === "grown") running?.grown(request);
    else if (request.type === "cancel") running?.cancel();
    else {
      running = new RunningJob(port);
      void running.run(request);
    }
  });
}

// The entry of the threads, from sources and bundled.
if (isLayerWorker()) runLayerWorker();
