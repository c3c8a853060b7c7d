import type { DiffId, Digest } from "@tsbuild/base";
import type { CacheDocument, RecordEntry } from "./document.ts";
import { serializeInlineRecords } from "./document.ts";

/**
 * The records of an image that carries its own cache (V030): results name layers by their place in the image. Those that the image
 * does not hold from the bottom up are left out; undefined when nothing is left.
 */
export function inlineRecords(
  { layers, records }: CacheDocument,
  diffIds: readonly DiffId[],
  diffIdOf: (blob: Digest) => DiffId | undefined,
): string | undefined {
  const depthOf = (top: number): number | undefined => {
    const stack: (DiffId | undefined)[] = [];
    for (let at = top; at >= 0 && stack.length <= diffIds.length; at = layers[at]?.parent ?? -1)
      stack.unshift(diffIdOf(layers[at]!.blob));
    return stack.every((diffId, i) => diffId !== undefined && diffId === diffIds[i])
      ? stack.length
      : undefined;
  };
  const inline: RecordEntry[] = records.map((record) => ({
    ...record,
    results: record.results.flatMap(({ layer, createdAt }) => {
      const depth = depthOf(layer);
      return depth === undefined ? [] : [{ layer: depth - 1, createdAt }];
    }),
  }));
  return inline.some(({ results }) => results.length > 0) ? serializeInlineRecords(inline) : undefined;
}
