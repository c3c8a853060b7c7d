import type { DiffId, SnapshotId } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci";
import { imageAttributes } from "./attributes.ts";
import { measureLayers } from "./commit.ts";
import { layerBlob } from "./layers.ts";
import { bytesFrom } from "./pushing.ts";
import type { ExportOptions } from "./types.ts";

/** A layer's blob, for others than images. */
export interface SnapshotLayer {
  readonly diffId: DiffId;
  readonly descriptor: Descriptor;
  /** When the layer was made. */
  readonly createdMs: number;
  readonly open: (offset: number) => AsyncIterable<Uint8Array>;
}

/**
 * The layers of a snapshot, bottom first, as an image output would write them; `attrs` are an output's options of compression. What
 * has to be packed is packed now and kept, so that an output which wants the same finds it.
 */
export async function snapshotLayers(
  snapshot: SnapshotId,
  attrs: Readonly<Record<string, string>>,
  options: ExportOptions,
): Promise<SnapshotLayer[]> {
  // A cache's layers are known by the diff IDs of their files alone.
  const attributes = { ...imageAttributes({ type: "oci", attrs }), estargz: false };
  const { variant } = attributes;
  const compress = variant.compression === "uncompressed" ? undefined : variant;
  const layers = await measureLayers(options.store, { ...options, snapshot, compress });
  const packed: SnapshotLayer[] = [];
  for (const layer of layers) {
    const { descriptor, blob } = await layerBlob({ layer, attributes, options });
    const open = (offset: number) => bytesFrom(blob, offset);
    packed.push({ diffId: layer.diffId, descriptor, createdMs: layer.createdMs, open });
  }
  return packed;
}
