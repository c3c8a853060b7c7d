import { suggestion } from "@tsbuild/base";
import { durationText, pragmaOf, type Vertex } from "@tsbuild/llb";
import type { Ignored, MaxAge } from "@tsbuild/solver";
import type { CompleteRequest } from "./complete-request.ts";

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
export function ignoredBy(request: CompleteRequest, vertex: Vertex): Ignored | undefined {
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

/** How old a record may be: as the step's comment has it, or the request, whichever is less. */
export function maxAgeOf(
  { cacheTtlMs }: Pick<CompleteRequest, "cacheTtlMs">,
  vertex: Vertex,
): MaxAge | undefined {
  const { ttlMs = Number.POSITIVE_INFINITY } = pragmaOf(vertex.metadata);
  const ms = Math.min(ttlMs, isStep(vertex) ? (cacheTtlMs ?? ttlMs) : ttlMs);
  return ms === Number.POSITIVE_INFINITY ? undefined : { ms, text: `older than ${durationText(ms)}` };
}

/** Wishes that no step of the build is meant by: most likely a name that was mistyped, and a build that is not what was asked for. */
export function uselessWishes(
  { noCacheFilter, noCacheSteps = [] }: Pick<CompleteRequest, "noCacheFilter" | "noCacheSteps">,
  vertices: readonly Vertex[],
): string[] {
  if (noCacheFilter.length + noCacheSteps.length === 0) return [];
  const names = vertices.filter(isStep).map(({ metadata }) => metadata.name ?? "");
  // As steps are shown: "[STAGE 2/5] RUN make", with the platform before the stage where there are several.
  const stages = new Set(names.flatMap((name) => /^\[(?:\S+\/\S+ )?(\S+) \d+\//.exec(name)?.[1] ?? []));
  const isStage = (wanted: string): boolean =>
    [...stages].some((stage) => stage.toLowerCase() === wanted.toLowerCase());
  return [
    ...noCacheFilter
      .filter((stage) => !isStage(stage))
      .map((stage) => {
        const known = [...stages];
        const hint = known.length === 0 ? "" : `; ${suggestion(stage, known)}`;
        return `--no-cache-filter ${stage}: this build has no step in such a stage${hint}`;
      }),
    ...noCacheSteps
      .filter((pattern) => !names.some((name) => holds(name, pattern)))
      .map((pattern) => `--no-cache-step ${pattern}: no step of this build has this text`),
  ];
}
