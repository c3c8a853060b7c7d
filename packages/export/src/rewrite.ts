import { sha256 } from "@tsbuild/base";
import { serializeImageConfig } from "@tsbuild/oci";
import { requireEpoch } from "./fit.ts";
import type { CommittedImage, CommittedLayer, ExportOptions } from "./types.ts";
import { sharedWorkers } from "./workers.ts";

async function cutLayer(
  layer: CommittedLayer,
  maxMtimeNs: bigint,
  options: ExportOptions,
): Promise<CommittedLayer> {
  const { folder, createdMs } = layer;
  const workers = options.workers ?? sharedWorkers();
  const measured = await workers.measure({ folder, maxMtimeNs }, { signal: options.signal });
  return { folder, createdMs, maxMtimeNs, ...measured };
}

/**
 * The same image with the times of its own layers cut off at SOURCE_DATE_EPOCH (X020): other diff IDs, so another config and image ID.
 * The base's layers stay as they are, byte for byte. Throws TSB_USAGE without an epoch.
 */
export async function rewriteTimestamps(
  image: CommittedImage,
  options: ExportOptions,
): Promise<CommittedImage> {
  if (image.clamped) return image;
  const maxMtimeNs = BigInt(requireEpoch(image.epochSeconds)) * 1_000_000_000n;
  const jobs = image.layers.map((layer, index) =>
    index < image.baseLayers ? layer : cutLayer(layer, maxMtimeNs, options),
  );
  const settled = await Promise.allSettled(jobs);
  const layers = settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  const diffIds = layers.map((layer) => layer.diffId);
  const config = { ...image.config, rootfs: { type: "layers" as const, diff_ids: diffIds } };
  return { ...image, original: undefined, layers, config, imageId: sha256(serializeImageConfig(config)) };
}
