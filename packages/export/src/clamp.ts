import type { SnapshotId } from "@tsbuild/base";
import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import { clampLayer, hasLaterTimes } from "@tsbuild/oci";
import type { Store, WholeLayer } from "@tsbuild/store";
import { requireEpoch } from "./fit.ts";
import { rememberedSnapshot } from "./remembered.ts";

export interface ClampRequest {
  readonly snapshot: SnapshotId | null;
  /** How many of the lowest layers are the base image's: they stay as they are, byte for byte. */
  readonly baseLayers: number;
  readonly epochSeconds: number | undefined;
  readonly signal: AbortSignal;
}

const KIND = "clamped-snapshot";

/**
 * The same snapshot with the times of its own layers cut off at SOURCE_DATE_EPOCH (X020): what is kept, named, run, saved and pushed is then one
 * image with one ID. A layer without later times is shared; copies of the others are remembered. Throws TSB_USAGE without an epoch.
 */
export async function clampSnapshot(store: Store, request: ClampRequest): Promise<SnapshotId | null> {
  const { snapshot } = request;
  const epochSeconds = requireEpoch(request.epochSeconds);
  return snapshot === null ? null : clampFrom(store, snapshot, { ...request, epochSeconds });
}

type Clamp = ClampRequest & { readonly epochSeconds: number };

async function clampFrom(store: Store, top: SnapshotId, request: Clamp): Promise<SnapshotId | null> {
  const { snapshots } = store;
  const layers = await snapshots.wholeLayers(top);
  if (layers.length <= request.baseLayers) return top;
  const layer = layers.at(-1);
  if (layer === undefined) throw new Error("assertion failed: a snapshot has a layer");
  const key = `${top} ${request.baseLayers} ${request.epochSeconds}`;
  return rememberedSnapshot(store, { kind: KIND, key }, async () => {
    const parent = snapshots.parent(top);
    const below = parent === null ? null : await clampFrom(store, parent, request);
    return snapshots.stack(below, [await clampedLayer(store, layer, request)]);
  });
}

async function clampedLayer(store: Store, layer: WholeLayer, request: Clamp): Promise<WholeLayer> {
  const maxMtimeNs = BigInt(request.epochSeconds) * 1_000_000_000n;
  const source = nativeFs.openFolder(layer.folder);
  try {
    if (!(await hasLaterTimes({ fs: nativeFs, source, maxMtimeNs }))) return layer;
    const active = store.snapshots.prepare(null, { inPlace: true });
    const dest = nativeFs.openFolder(active.upper);
    try {
      const { signal } = request;
      await clampLayer({ fs: nativeFs, source, dest, maxMtimeNs, userxattr: inUserNamespace(), signal });
    } catch (error) {
      store.snapshots.discard(active);
      throw error;
    } finally {
      nativeFs.close(dest);
    }
    const [copy] = await store.snapshots.wholeLayers(store.snapshots.commit(active));
    if (copy === undefined) throw new Error("assertion failed: a committed snapshot has a layer");
    return copy;
  } finally {
    nativeFs.close(source);
  }
}
