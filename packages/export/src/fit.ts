import { type Platform, TsbuildError } from "@tsbuild/base";
import { checkAnnotations } from "./annotations.ts";
import { imageAttributes } from "./attributes.ts";
import type { ExportRequest } from "./types.ts";

/** What is known of an image before it is built. */
export interface ExpectedImage {
  readonly platform: Platform;
  readonly epochSeconds?: number | undefined;
}

/** The time that is cut off at (X020). Throws TSB_USAGE when there is none. */
export function requireEpoch(epochSeconds: number | undefined): number {
  if (epochSeconds !== undefined) return epochSeconds;
  throw new TsbuildError("TSB_USAGE", "rewrite-timestamp=true needs a time to cut off at", {
    hint: "set SOURCE_DATE_EPOCH, e.g. SOURCE_DATE_EPOCH=$(git log -1 --format=%ct), or use --reproducible",
  });
}

/** What is pushed has a place. */
export function noName(): TsbuildError {
  return new TsbuildError("TSB_USAGE", "an image that is pushed needs a name", {
    hint: "give one with -t REGISTRY/NAME:TAG, or -o type=registry,name=REGISTRY/NAME:TAG",
  });
}

/** Throws TSB_USAGE for options of outputs that do not fit what is going to be built, before it is. */
export function checkFit(
  requests: readonly ExportRequest[],
  images: readonly ExpectedImage[],
  { isAttested, names }: { readonly isAttested: boolean; readonly names: readonly string[] },
): void {
  const platforms = images.map(({ platform }) => platform);
  for (const request of requests) {
    if (request.type === "local" || request.type === "tar" || request.type === "cacheonly") continue;
    const { annotations, rewriteTimestamps, push, names: own = names } = imageAttributes(request);
    if (push && own.length === 0) throw noName();
    checkAnnotations(annotations, {
      type: request.type,
      platforms,
      hasIndex: isAttested || images.length > 1,
    });
    if (rewriteTimestamps) for (const { epochSeconds } of images) requireEpoch(epochSeconds);
  }
}
