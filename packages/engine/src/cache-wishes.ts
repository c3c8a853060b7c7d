import { durationText, pragmaOf, type Vertex } from "@tsbuild/llb";
import type { Ignored, MaxAge } from "@tsbuild/solver";
import type { BuildRequest } from "./api.ts";

/** `*` stands for any text; the rest for itself. Linear: each part is looked for behind the one before. */
function holds(text: string, pattern: string): boolean {
  let from = 0;
  for (const part of pattern.split("*")) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}

/** Sources are resolved anew by --pull, not by flags about steps. */
function isStep({ op }: Vertex): boolean {
  return op.kind.type === "exec" || op.kind.type === "file";
}

/** Why the records of a vertex do not count, where that is not --no-cache or its filter (those are in the graph). */
export function ignoredBy(request: BuildRequest, vertex: Vertex): Ignored | undefined {
  if (request.rebuildAll && isStep(vertex)) return { text: "verify", emptiesMounts: true };
  const name = vertex.metadata.name ?? "";
  const step = isStep(vertex) ? request.noCacheSteps?.find((pattern) => holds(name, pattern)) : undefined;
  if (step !== undefined) return { text: `--no-cache-step ${step}`, emptiesMounts: true };
  if (vertex.metadata.ignoreCache !== true) return undefined;
  if (request.noCache) return { text: "--no-cache", emptiesMounts: true };
  // What is asked for in every build must not empty the caches that are to make it fast.
  if (pragmaOf(vertex.metadata).noCache === true)
    return { text: "# tsbuild: no-cache", emptiesMounts: false };
  return { text: "--no-cache-filter", emptiesMounts: true };
}

export function maxAgeOf(vertex: Vertex): MaxAge | undefined {
  const { ttlMs } = pragmaOf(vertex.metadata);
  return ttlMs === undefined ? undefined : { ms: ttlMs, text: `older than ${durationText(ttlMs)}` };
}
