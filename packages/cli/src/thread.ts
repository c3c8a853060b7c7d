import { isMainThread, workerData } from "node:worker_threads";

/** The command line in the main thread; in any other, what `workerData.tsbuildWorker` names. */
export async function startThread(): Promise<void> {
  if (isMainThread) {
    const { runProcess } = await import("./process.ts");
    return runProcess();
  }
  const engine = (await import("@tsbuild/engine")) as unknown as { runWorker(data: unknown): Promise<void> };
  return engine.runWorker(workerData);
}
