import { isMainThread } from "node:worker_threads";

/** The command line in the main thread. Every other thread of the bundle is one that packs and unpacks layers. */
export async function startThread(): Promise<void> {
  if (isMainThread) {
    const { enterNamespace } = await import("./enter-namespace.ts");
    enterNamespace();
    const { runProcess } = await import("./process.ts");
    return runProcess();
  }
  const { runWorker } = await import("@tsbuild/engine/worker");
  runWorker();
}
