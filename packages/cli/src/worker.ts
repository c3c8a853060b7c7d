import { workerData } from "node:worker_threads";

/** A worker thread: the engine's parts say in `workerData.tsbuildWorker` which of their loops it is. */
export async function runThread(): Promise<void> {
  const engine = (await import("@tsbuild/engine")) as unknown as { runWorker(data: unknown): Promise<void> };
  await engine.runWorker(workerData);
}
