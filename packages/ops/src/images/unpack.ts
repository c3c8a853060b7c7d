import { createReadStream } from "node:fs";
import { availableParallelism } from "node:os";
import { type ChainId, chainId, type DiffId, type SnapshotId, TsbuildError } from "@tsbuild/base";
import { type Descriptor, decompress, unpackLayer } from "@tsbuild/oci";
import type { OpContext } from "@tsbuild/solver";
import { withProgress } from "../progress.ts";
import type { Origin } from "./origin.ts";
import type { KnownImage, ProviderOptions } from "./provider.ts";

interface LayerJob {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

/** Chain IDs of every prefix of a stack, bottom first. */
function chainIds(diffIds: readonly DiffId[]): ChainId[] {
  return diffIds.flatMap((_, i) => chainId(diffIds.slice(0, i + 1)) ?? []);
}

/**
 * Makes the layers of an image into a snapshot. Layers that are here already, from another image or an earlier pull, are shared by
 * chain ID; the others are fetched and unpacked at the same time, since overlay layers are independent folders, and then stacked.
 */
export async function unpackImage(
  options: ProviderOptions,
  image: KnownImage,
  context: OpContext,
): Promise<SnapshotId | null> {
  if (
    image.snapshot !== undefined &&
    (image.snapshot === null || options.env.store.snapshots.exists(image.snapshot))
  )
    return image.snapshot;
  const { snapshots } = options.env.store;
  const diffIds = image.config.rootfs.diff_ids;
  const chains = chainIds(diffIds);
  const present = chains.findLastIndex((chain) => snapshots.byChainId(chain) !== undefined);
  const below = present < 0 ? undefined : chains[present];
  let top: SnapshotId | null = below === undefined ? null : (snapshots.byChainId(below) ?? null);
  const missing = diffIds
    .slice(present + 1)
    .map((diffId, i) => ({ diffId, blob: image.document.layers[present + 1 + i] }));
  if (missing.length === 0) return top;
  if (image.origin === undefined)
    throw new TsbuildError("TSB_STORE", `the layers of ${image.name} are gone`, { hint: "build it again" });
  const origin = await image.origin();
  const layers = await unpackAll(options, origin, missing as LayerJob[], context);
  for (const [i, layer] of layers.entries()) {
    top = snapshots.stack(top, snapshots.layers(layer));
    const chain = chains[present + 1 + i];
    if (top !== null && chain !== undefined) snapshots.setChainId(top, chain);
  }
  return top;
}

/** One snapshot per layer, in order; as many at a time as there are cores. */
async function unpackAll(
  options: ProviderOptions,
  origin: Origin,
  jobs: readonly LayerJob[],
  context: OpContext,
): Promise<SnapshotId[]> {
  const results: SnapshotId[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      const job = jobs[index];
      if (job !== undefined) results[index] = await unpackOne(options, origin, job, context);
    }
  };
  const done = await Promise.allSettled(Array.from({ length: availableParallelism() }, worker));
  const failed = done.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results;
}

async function unpackOne(
  options: ProviderOptions,
  origin: Origin,
  job: LayerJob,
  context: OpContext,
): Promise<SnapshotId> {
  const { store, fs, userxattr } = options.env;
  const { blob, diffId } = job;
  if (!store.blobs.has(blob.digest)) {
    const bytes = withProgress(origin.blob(blob, context.signal), context, {
      id: blob.digest,
      total: blob.size,
    });
    await store.blobs.ingest(bytes, { digest: blob.digest, size: blob.size });
  }
  const active = store.snapshots.prepare(null);
  try {
    const root = fs.openFolder(active.upper);
    const bytes = createReadStream(store.blobs.path(blob.digest), { highWaterMark: 1 << 20 });
    const unpacked = await unpackLayer(decompress(bytes), root, {
      fs,
      userxattr,
      signal: context.signal,
    }).finally(() => fs.close(root));
    if (unpacked.diffId !== diffId) {
      throw new TsbuildError(
        "TSB_INTEGRITY",
        `${origin.name}: layer ${blob.digest} unpacks to ${unpacked.diffId}, its config says ${diffId}`,
      );
    }
    const snapshot = store.snapshots.commit(active);
    const [layer] = store.snapshots.layers(snapshot);
    if (layer !== undefined) store.snapshots.setDiff(layer.id, { diffId, sizeBytes: unpacked.sizeBytes });
    store.blobs.setCompressed(diffId, "pulled", blob);
    return snapshot;
  } catch (error) {
    store.snapshots.discard(active);
    throw error;
  }
}
