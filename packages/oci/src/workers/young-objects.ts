import { setFlagsFromString } from "node:v8";
import type { Worker } from "node:worker_threads";

const FLAG = "--max-semi-space-size=";

let starting = 0;

/**
 * Starts a thread for which its own limit of young objects counts. The program's flag for the main thread (packages/cli/bin/tsbuild) goes before
 * `resourceLimits` in V8, which reads flags when a thread's heap is made: so it is off meanwhile. Not for longer, as compiled code is only taken
 * under the flags that it was made with.
 */
export function startWithOwnLimits(start: () => Worker): Worker {
  const flag = process.execArgv.find((argument) => argument.startsWith(FLAG));
  if (flag === undefined) return start();
  starting += 1;
  setFlagsFromString(`${FLAG}0`);
  const worker = start();
  let isStarting = true;
  const restore = (): void => {
    if (!isStarting) return;
    isStarting = false;
    starting -= 1;
    if (starting === 0) setFlagsFromString(flag);
  };
  for (const event of ["online", "error", "exit"]) worker.once(event, restore);
  return worker;
}
