import type { HistoryEntry, ImageConfig } from "../types.ts";

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

/** The config of a base with a history that fits its layers: what is put on it must not be taken for what made them. */
export function withAlignedHistory(config: ImageConfig): ImageConfig {
  const layers = config.rootfs.diff_ids.length;
  const counted = config.history?.filter((entry) => entry.empty_layer !== true).length ?? 0;
  return counted === layers ? config : { ...config, history: alignHistory(config.history ?? [], layers) };
}
