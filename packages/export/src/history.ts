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
