import { Worker } from "node:worker_threads";
import { assert } from "@tsbuild/base";
import type { PackedLayer } from "../layer/measure.ts";
import type { UnpackedLayer } from "../layer/unpack-layer.ts";
import { fromPlainFailure, WORKER_MARK, type WorkerReply, type WorkerRequest } from "./protocol.ts";

export interface JobListener {
  onChunk(bytes: Uint8Array): void;
  onSkipped(path: string, why: string): void;
}

interface Job extends JobListener {
  readonly resolve: (result: PackedLayer | UnpackedLayer) => void;
  readonly reject: (error: Error) => void;
}

/** One worker thread as the main thread sees it. Idle, it does not keep the process alive. */
export class LayerThread {
  readonly #worker: Worker;
  #job: Job | undefined;
  #dead: Error | undefined;

  constructor(entry: URL) {
    // No execArgv: a test runner's or debugger's flags are not for it.
    // Descriptors come from the addon, which Node does not see open them: it must not keep count (and warn).
    const options = { trackUnmanagedFds: false, execArgv: [], name: "tsbuild layers" };
    this.#worker = new Worker(entry, { ...options, workerData: WORKER_MARK });
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
    if (reply.type === "chunk") this.#job?.onChunk(reply.bytes);
    else if (reply.type === "skipped") this.#job?.onSkipped(reply.path, reply.why);
    else if (reply.type === "done") this.#finish((job) => job.resolve(reply.result));
    else this.#finish((job) => job.reject(fromPlainFailure(reply.failure)));
  }

  post(request: WorkerRequest): void {
    this.#worker.postMessage(request);
  }

  /** Runs one job; resolves or rejects when the thread has let go of it, also after an abort. */
  run(
    request: Extract<WorkerRequest, { job: unknown }>,
    listener: JobListener,
    signal: AbortSignal | undefined,
  ): Promise<PackedLayer | UnpackedLayer> {
    assert(this.#job === undefined, "a layer thread runs one job at a time");
    const { promise, resolve, reject } = Promise.withResolvers<PackedLayer | UnpackedLayer>();
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    this.#job = {
      resolve,
      reject,
      onChunk: (bytes) => listener.onChunk(bytes),
      onSkipped: (path, why) => listener.onSkipped(path, why),
    };
    this.#worker.ref();
    this.post(request);
    const cancel = () => this.post({ type: "cancel" });
    signal?.addEventListener("abort", cancel);
    return promise.finally(() => signal?.removeEventListener("abort", cancel));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
