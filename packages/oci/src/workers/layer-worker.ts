import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { nativeFs } from "@tsbuild/native-fs";
import { type JobContext, runPackJob, runUnpackJob } from "./job.ts";
import {
  INITIAL_CREDIT,
  toPlainFailure,
  WORKER_MARK,
  type WorkerReply,
  type WorkerRequest,
} from "./protocol.ts";

/** True in a thread that a `LayerWorkers` pool has started. */
export function isLayerWorker(): boolean {
  const mark = (workerData as { readonly tsbuildWorker?: unknown } | null)?.tsbuildWorker;
  return !isMainThread && mark === WORKER_MARK.tsbuildWorker;
}

/** The worker's side of one job: chunks go out as far as there is credit for them. */
class RunningJob {
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  #credit = INITIAL_CREDIT;
  #granted: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  #reply(reply: WorkerReply, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(reply, transfer);
  }

  grant(): void {
    this.#credit += 1;
    this.#granted?.();
  }

  cancel(): void {
    this.#abort.abort();
    this.#granted?.();
  }

  async #emit(chunk: Uint8Array): Promise<void> {
    while (this.#credit === 0) {
      this.#abort.signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#granted = resolve;
      });
    }
    this.#credit -= 1;
    // A copy of its own: zlib goes on writing into the memory that its chunks are cut from.
    const bytes = new Uint8Array(chunk);
    this.#reply({ type: "chunk", bytes }, [bytes.buffer]);
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
          ? await runPackJob(request.job, context, (chunk) => this.#emit(chunk))
          : await runUnpackJob(request.job, context);
      this.#reply({ type: "done", result });
    } catch (error) {
      this.#reply({ type: "failed", failure: toPlainFailure(error) });
    }
  }
}

/** Serves jobs until the pool ends the thread. The main of a bundle calls this when `isLayerWorker()`. */
export function runLayerWorker(): void {
  const port = parentPort;
  if (port === null) throw new Error("assertion failed: a layer worker has a parent");
  let running: RunningJob | undefined;
  port.on("message", (request: WorkerRequest) => {
    if (request.type === "credit") running?.grant();
    else if (request.type === "cancel") running?.cancel();
    else {
      running = new RunningJob(port);
      void running.run(request);
    }
  });
}

// From sources this module is the thread's entry; in a bundle it is a part of the main module, which asks first.
if (import.meta.url.endsWith("/layer-worker.ts") && isLayerWorker()) runLayerWorker();
