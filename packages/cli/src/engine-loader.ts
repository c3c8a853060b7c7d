import { flushCompileCache } from "node:module";
import type { Engine, EngineOptions } from "@tsbuild/engine";

/** Of the engine, once that is loaded. */
let endProcess: ((status: number) => never) | undefined;

/** The engine, loaded by the commands that need it and not before: it is most of the program. */
export async function loadEngine(options: EngineOptions): Promise<Engine> {
  const engine = await import("@tsbuild/engine");
  endProcess = engine.endProcess;
  return engine.openEngine({ ...options, processEnds: isPlain(process) });
}

/** What bin/tsbuild starts Node with. */
const OWN_FLAGS = /^--(?:disable-warning|min-semi-space-size|max-semi-space-size)=/;

/** Node has nothing to write at its end: no profile, no coverage. */
function isPlain({ execArgv, env }: NodeJS.Process): boolean {
  return execArgv.every((flag) => OWN_FLAGS.test(flag)) && !env["NODE_OPTIONS"] && !env["NODE_V8_COVERAGE"];
}

/** Lets `process.exit` end the process at once, where an engine was used and nobody watches how Node ends. To be called when all is written. */
export function exitAtOnce(process: NodeJS.Process): void {
  if (endProcess === undefined || !isPlain(process)) return;
  flushCompileCache();
  // What process.exit calls when its listeners were told.
  Object.assign(process, { reallyExit: endProcess });
}
