import { type CacheSource, type ImportedCache, ImportedGraph, type MountChoice } from "@tsbuild/cache";
import type { BuildRun } from "./build.ts";
import { asStep } from "./export-step.ts";

export interface OpenedCache {
  readonly imported: ImportedCache;
  readonly graph: ImportedGraph;
}

/** Reads the keys of a cache; no layer. What cannot be read is warned of, and the build goes on without (V038). */
export async function importCache(
  run: BuildRun,
  source: CacheSource,
  mounts: MountChoice,
): Promise<readonly OpenedCache[]> {
  const { emit, signal, request } = run;
  return asStep(emit, `importing cache from ${source.title}`, async (_tell, log) => {
    if (request.offline === true && !source.title.startsWith("local ")) {
      log("skipped: the build is offline");
      return [];
    }
    try {
      const caches = (await source.open(signal)).map((imported) => open(source.title, imported));
      if (mounts !== "none") {
        const { takeMounts } = await import("./cache-mount-sharing.ts");
        for (const cache of caches) await takeMounts(run, cache, mounts);
      }
      const records = caches.reduce((sum, { graph }) => sum + graph.size, 0);
      log(records === 0 ? "it holds no results" : `${records} results`);
      return caches;
    } catch (error) {
      if (signal.aborted) throw error;
      const message = `the cache ${source.title} is not used: ${error instanceof Error ? error.message : String(error)}`;
      log(message);
      emit({ type: "warning", at: Date.now(), rule: "cache", message });
      return [];
    }
  });
}

function open(origin: string, imported: ImportedCache): OpenedCache {
  return { imported, graph: new ImportedGraph(origin, imported.document, imported.blobs) };
}
