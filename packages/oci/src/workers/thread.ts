import { Worker } from "node:worker_threads";
import { assert } from "@tsbuild/base";
import type { PackedLayer } from "../layer/measure.ts";
import type { UnpackedLayer } from "../layer/unpack-layer.ts";
import type { GrowingFile } from "./growing-file.ts";
import type { PackJob, UnpackJob } from "./job.ts";
import {
  fromPlainFailure,
  SLOT_BYTES,
  SLOT_COUNT,
  slotBytes,
  WORKER_MARK,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";
import { startWithOwnLimits } from "./young-objects.ts";

export type ThreadRequest =
  | { readonly type: "pack"; readonly job: PackJob }
  | { readonly type: "unpack"; readonly job: UnpackJob; readonly busy: SharedArrayBuffer };

export interface JobListener {
  /** `bytes` is memory that is used again once `done` is called. */
  onChunk(bytes: Uint8Array, done: () => void): void;
  onSkipped(path: string, why: string): void;
}

interface Job extends JobListener {
  readonly resolve: (result: PackedLayer | UnpackedLayer) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread as the main thread sees it. Idle, it does not keep the process alive. */
export class LayerThread {
  readonly #worker: Worker;
  readonly #slots = new SharedArrayBuffer(SLOT_BYTES * SLOT_COUNT);
  #job: Job | undefined;
  #dead: Error | undefined;

  constructor(entry: URL) {
    // No execArgv: a test runner's or debugger's flags are not for it.
    // Descriptors come from the addon, which Node does not see open them: it must not keep count (and warn).
    // Its objects are short-lived: a small nursery costs nothing and saves tens of MB (with one of 1 MB all grow old, which takes more). The old generation follows the number of files.
    const resourceLimits = { maxYoungGenerationSizeMb: 2 };
    const options = { resourceLimits, trackUnmanagedFds: false, execArgv: [], name: "tsbuild layers" };
    this.#worker = startWithOwnLimits(() => new Worker(entry, { ...options, workerData: WORKER_MARK }));
    this.#worker.unref();
    this.#worker.on("message", (reply: WorkerReply) => this.#receive(reply));
    this.#worker.on("error", (error: Error) => this.#die(error));
    this.#worker.on("exit", () => this.#die(new Error("a worker thread ended unexpectedly")));
  }

  get alive(): boolean {
    return this.#dead === undefined;
  }

  #die(error: Error): void {
    this.#dead ??= error;
    this.#finish((job) => job.reject(error));
  }

  #finish(tell: (job: Job) => void): void {
    const job = this.#job;
    this.#job = undefined;
    this.#worker.unref();
    if (job !== undefined) tell(job);
  }

  #receive(reply: WorkerReply): void {
    if (reply.type === "chunk") this.#receiveChunk(reply.slot, reply.sizeBytes);
    else if (reply.type === "skipped") this.#job?.onSkipped(reply.path, reply.why);
    else if (reply.type === "done") this.#finish((job) => job.resolve(reply.result));
    else this.#finish((job) => job.reject(fromPlainFailure(reply.failure)));
  }

  #receiveChunk(slot: number, sizeBytes: number): void {
    const bytes = slotBytes(this.#slots, slot, sizeBytes);
    this.#job?.onChunk(bytes, () => this.#post({ type: "free", slot }));
  }

  #post(request: WorkerRequest): void {
    this.#worker.postMessage(request);
  }

  /** Runs one job; resolves or rejects when the thread has let go of it, also after an abort. */
  run(
    request: ThreadRequest,
    listener: JobListener,
    signal: AbortSignal | undefined,
  ): Promise<PackedLayer | UnpackedLayer> {
    assert(this.#job === undefined, "a layer thread runs one job at a time");
    const { promise, resolve, reject } = Promise.withResolvers<PackedLayer | UnpackedLayer>();
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    this.#job = {
      resolve,
      reject,
      onChunk: (bytes, done) => listener.onChunk(bytes, done),
      onSkipped: (path, why) => listener.onSkipped(path, why),
    };
    this.#worker.ref();
    const unwatch = request.type === "pack" ? this.#sendPack(request.job) : this.#sendUnpack(request);
    const cancel = () => this.#post({ type: "cancel" });
    signal?.addEventListener("abort", cancel);
    return promise.finally(() => {
      unwatch();
      signal?.removeEventListener("abort", cancel);
    });
  }

  #sendPack(job: PackJob): () => void {
    this.#post({ type: "pack", job, slots: this.#slots });
    return () => undefined;
  }

  #sendUnpack(request: Extract<ThreadRequest, { readonly type: "unpack" }>): () => void {
    const { blob, ...job } = request.job;
    if (typeof blob === "string") {
      this.#post({ ...request, job: { ...job, blob } });
      return () => undefined;
    }
    this.#post({ ...request, job: { ...job, blob: { fd: blob.fd } } });
    return this.#tellGrowth(blob);
  }

  #tellGrowth(file: GrowingFile): () => void {
    return file.watch(({ sizeBytes, ended }) => this.#post({ type: "grown", sizeBytes, ended }));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
