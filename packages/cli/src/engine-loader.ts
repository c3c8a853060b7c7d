import type { Engine, EngineOptions } from "@tsbuild/engine";

/** The engine, loaded by the commands that need it and not before: it is most of the program. */
export async function loadEngine(options: EngineOptions): Promise<Engine> {
  const { openEngine } = await import("@tsbuild/engine");
  return openEngine(options);
}
