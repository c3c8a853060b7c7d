import type { HistoryEntry, ImageConfig } from "@tsbuild/oci";

/** What is known of one layer for its history entry. */
export interface LayerTime {
  /** When the layer was made, milliseconds since the epoch. */
  readonly createdMs: number;
}

/** RFC 3339 as Go writes it: no fraction when it is zero. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/**
 * Makes the entries that are not `empty_layer` as many as there are layers (X022): consumers pair them up. Bases with a broken
 * history are the reason: too many become empty, the last ones first; missing ones are added at the end.
 */
export function alignHistory(history: readonly HistoryEntry[], layers: number): HistoryEntry[] {
  let counted = 0;
  const aligned = history.map((entry): HistoryEntry => {
    if (entry.empty_layer === true) return entry;
    counted += 1;
    return counted > layers ? { ...entry, empty_layer: true } : entry;
  });
  const missing = Array.from(
    { length: Math.max(0, layers - counted) },
    (): HistoryEntry => ({
      comment: "tsbuild: a layer that the base image's history does not mention",
    }),
  );
  return [...aligned, ...missing];
}

/**
 * Gives new entries, which are those without a time, the time when their layer was made; entries without a layer that of the one before.
 * Not the present time: an unchanged build must give an unchanged image. None is later than `epochMs` (X023).
 */
export function dateHistory(
  history: readonly HistoryEntry[],
  layers: readonly LayerTime[],
  options: { readonly epochMs: number | undefined },
): HistoryEntry[] {
  const { epochMs } = options;
  let layer = 0;
  let latestMs = 0;
  return history.map((entry) => {
    const made = entry.empty_layer === true ? undefined : layers[layer++];
    if (entry.created !== undefined) {
      const ownMs = Date.parse(entry.created);
      if (!Number.isNaN(ownMs)) latestMs = Math.max(latestMs, ownMs);
      return entry;
    }
    latestMs = Math.max(latestMs, made?.createdMs ?? 0);
    return { created: formatTime(Math.min(latestMs, epochMs ?? latestMs)), ...entry };
  });
}

/** Time of an image: that of its last history entry. */
export function createdOf(config: ImageConfig, history: readonly HistoryEntry[], fallbackMs: number): string {
  return (
    config.created ??
    history.findLast((entry) => entry.created !== undefined)?.created ??
    formatTime(fallbackMs)
  );
}
