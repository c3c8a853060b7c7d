import type { HistoryEntry } from "@tsbuild/oci";
import type { WorkingImage } from "./image-config.ts";

/** Comment of every history entry that a Dockerfile makes (X022); scanners look for it. */
const COMMENT = "buildkit.dockerfile.v0";

interface Entry {
  readonly createdBy: string;
  /** The instruction makes a layer (X024). */
  readonly layer: boolean;
  /** SOURCE_DATE_EPOCH. */
  readonly epochSeconds: number | undefined;
}

/** RFC 3339 with whole seconds. */
export function formatEpoch(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

/** Adds what an instruction did to the image's history. */
export function addHistory(image: WorkingImage, { createdBy, layer, epochSeconds }: Entry): void {
  const entry: HistoryEntry = {
    ...(epochSeconds === undefined ? {} : { created: formatEpoch(epochSeconds) }),
    created_by: createdBy,
    comment: COMMENT,
    ...(layer ? {} : { empty_layer: true }),
  };
  image.history.push(entry);
}
