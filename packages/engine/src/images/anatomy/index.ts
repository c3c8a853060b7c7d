import { TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { parseImageConfig, shownName } from "@tsbuild/oci";
import type { ImageRecord, Store, WholeLayer } from "@tsbuild/store";
import type { ImageStep } from "../api.ts";
import { isNameless } from "../find.ts";
import { compareTrees, type TreeDifference } from "./compare.ts";
import { type ConfigChange, configDifference } from "./config-difference.ts";
import { dissect } from "./dissect.ts";
import { LayerStack } from "./layer-stack.ts";
import type { ImageAnatomy } from "./types.ts";

/** What one image has otherwise than another. */
export interface ImageDifference extends TreeDifference {
  /** As people write them. */
  readonly from: string;
  readonly to: string;
  readonly config: readonly ConfigChange[];
}

function wordFor(record: ImageRecord): string {
  return isNameless(record) ? record.config : shownName(record.name);
}

/** Bottom first. Throws TSB_STORE when the image is not unpacked here. */
async function layersOf(store: Store, record: ImageRecord): Promise<readonly WholeLayer[]> {
  if (record.snapshot === null) return [];
  if (record.snapshot !== undefined) return store.snapshots.wholeLayers(record.snapshot);
  throw new TsbuildError("TSB_STORE", `the layers of ${wordFor(record)} are not here`, {
    hint: `tsbuild pull ${wordFor(record)}`,
  });
}

/** Sizes of an image by layer and step, and what in it could be smaller (W017). */
export async function imageAnatomy(
  store: Store,
  record: ImageRecord,
  options: { readonly steps: readonly ImageStep[]; readonly signal: AbortSignal },
): Promise<ImageAnatomy> {
  const stack = await LayerStack.open(nativeFs, await layersOf(store, record));
  try {
    const { layers: sums, ...found } = await dissect(nativeFs, stack, options.signal);
    const made = options.steps.filter((step) => step.diffId !== undefined).toReversed();
    const layers = sums.map((sum, at) => {
      const step = made[at];
      if (step?.diffId === undefined) throw new Error(`assertion failed: layer ${at} has no diff ID`);
      const { diffId, sizeBytes, createdBy } = step;
      return { layer: at + 1, diffId, sizeBytes, createdBy, ...sum };
    });
    return {
      imageId: record.config,
      name: wordFor(record),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
      wastedBytes: layers.reduce((sum, layer) => sum + layer.wastedBytes, 0),
      layers,
      ...found,
    };
  } finally {
    stack.close();
  }
}

/** What `to` has otherwise than `from`: paths and config. */
export async function imageDifference(
  store: Store,
  { from, to }: { readonly from: ImageRecord; readonly to: ImageRecord },
  signal: AbortSignal,
): Promise<ImageDifference> {
  const before = await LayerStack.open(nativeFs, await layersOf(store, from));
  try {
    const after = await LayerStack.open(nativeFs, await layersOf(store, to));
    try {
      const trees = await compareTrees(nativeFs, { from: before, to: after }, signal);
      const [a, b] = [from, to].map((record) => parseImageConfig(store.blobs.read(record.config)));
      if (a === undefined || b === undefined)
        throw new Error("assertion failed: two records have two configs");
      return { from: wordFor(from), to: wordFor(to), ...trees, config: configDifference(a, b) };
    } finally {
      after.close();
    }
  } finally {
    before.close();
  }
}
