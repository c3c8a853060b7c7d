import { availableParallelism } from "node:os";
import { type ChainId, chainId, type DiffId, type SnapshotId, TsbuildError } from "@tsbuild/base";
import { type Descriptor, inheritFolders, LayerWorkers, released, type UnpackedLayer } from "@tsbuild/oci";
import type { OpContext } from "@tsbuild/solver";
import { type ActiveSnapshot, rememberSource } from "@tsbuild/store";
import { withProgress } from "../progress.ts";
import { withPlace } from "./damage.ts";
import type { Origin } from "./origin.ts";
import type { KnownImage, ProviderOptions } from "./provider.ts";

interface LayerJob {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

/** A layer that is unpacked and not committed yet. */
interface OpenedLayer {
  readonly job: LayerJob;
  readonly active: ActiveSnapshot;
  readonly unpacked: UnpackedLayer;
}

interface UnpackRun {
  readonly options: ProviderOptions;
  readonly origin: Origin;
  readonly context: OpContext;
  readonly workers: LayerWorkers;
  readonly remembered: "pulled" | "loaded";
}

/** Chain IDs of every prefix of a stack, bottom first. */
function chainIds(diffIds: readonly DiffId[]): ChainId[] {
  return diffIds.flatMap((_, i) => chainId(diffIds.slice(0, i + 1)) ?? []);
}

/** Layers of the image above the first `present`, bottom first. */
function missingLayers(image: KnownImage, present: number): LayerJob[] {
  return image.config.rootfs.diff_ids.slice(present).flatMap((diffId, i) => {
    const blob = image.document.layers[present + i];
    return blob === undefined ? [] : [{ diffId, blob }];
  });
}

/**
 * Half of the cores: the others are busy with the download, its digest and the writes. Measured on two cores: a second thread takes
 * 35 MB and saves a twentieth of the time, if anything.
 */
function unpackThreads(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
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
  const { snapshots } = options.env.store;
  if (image.snapshot === null || (image.snapshot !== undefined && snapshots.exists(image.snapshot))) {
    return image.snapshot;
  }
  const chains = chainIds(image.config.rootfs.diff_ids);
  const present = chains.findLastIndex((chain) => snapshots.byChainId(chain) !== undefined) + 1;
  const chainBelow = chains[present - 1];
  const below = chainBelow === undefined ? null : (snapshots.byChainId(chainBelow) ?? null);
  const jobs = missingLayers(image, present);
  if (jobs.length === 0) return below;
  if (image.origin === undefined) {
    throw new TsbuildError("TSB_STORE", `the layers of ${image.name} are gone`, { hint: "build it again" });
  }
  const workers = new LayerWorkers({ threads: unpackThreads() });
  try {
    const run = {
      options,
      origin: await image.origin(),
      context,
      workers,
      remembered: image.remembered ?? "pulled",
    };
    return await stackLayers(run, { jobs, below, chains: chains.slice(present) });
  } finally {
    await workers.close();
  }
}

/** Unpacks all, then commits them from the bottom: what a layer takes from those below it is known only then. */
async function stackLayers(
  run: UnpackRun,
  stack: {
    readonly jobs: readonly LayerJob[];
    readonly below: SnapshotId | null;
    readonly chains: readonly ChainId[];
  },
): Promise<SnapshotId | null> {
  const { store } = run.options.env;
  const opened: OpenedLayer[] = [];
  let top = stack.below;
  let committed = 0;
  try {
    await unpackAll(run, stack.jobs, opened);
    for (const [i, layer] of opened.entries()) {
      await inherit(run, layer, top === null ? [] : store.snapshots.lowers(top));
      const single = store.snapshots.commit(layer.active);
      committed = i + 1;
      const [info] = store.snapshots.layers(single);
      const { diffId } = layer.job;
      if (info !== undefined)
        store.snapshots.setDiff(info.id, { diffId, sizeBytes: layer.unpacked.sizeBytes });
      store.blobs.setCompressed(diffId, run.remembered, layer.job.blob);
      if (run.origin.repository !== undefined)
        rememberSource(store, { ...run.origin.repository, digest: layer.job.blob.digest });
      top = store.snapshots.stack(top, store.snapshots.layers(single));
      const chain = stack.chains[i];
      if (top !== null && chain !== undefined) store.snapshots.setChainId(top, chain);
    }
    return top;
  } catch (error) {
    for (const layer of opened.slice(committed))
      if (layer !== undefined) store.snapshots.discard(layer.active);
    throw error;
  }
}

/** Fills `opened` by position; as many at a time as there are cores. Settles only when nothing is running any more. */
async function unpackAll(run: UnpackRun, jobs: readonly LayerJob[], opened: OpenedLayer[]): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      const job = jobs[index];
      if (job !== undefined) opened[index] = await unpackOne(run, job);
    }
  };
  const done = await Promise.allSettled(Array.from({ length: availableParallelism() }, worker));
  const failed = done.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function fetchBlob({ options, origin, context }: UnpackRun, blob: Descriptor): Promise<string> {
  const { blobs } = options.env.store;
  if (!blobs.has(blob.digest)) {
    const progress = { id: blob.digest, total: blob.size };
    // What comes from a socket or a file is ours alone; `ingest` has hashed and written it when it asks for more.
    const bytes = withProgress(released(origin.blob(blob, context.signal)), context, progress);
    await blobs.ingest(bytes, { digest: blob.digest, size: blob.size });
  }
  return blobs.path(blob.digest);
}

async function unpackOne(run: UnpackRun, job: LayerJob): Promise<OpenedLayer> {
  try {
    return await unpackLayer(run, job);
  } catch (error) {
    throw withPlace(error, `${run.origin.name}: layer ${job.blob.digest}`);
  }
}

async function unpackLayer(run: UnpackRun, job: LayerJob): Promise<OpenedLayer> {
  const { options, context, workers } = run;
  const { snapshots } = options.env.store;
  const blob = await fetchBlob(run, job.blob);
  const active = snapshots.prepare(null);
  try {
    const { userxattr } = options.env;
    const unpacked = await workers.unpack(
      { blob, folder: active.upper, userxattr },
      { signal: context.signal },
    );
    if (unpacked.diffId === job.diffId) return { job, active, unpacked };
    const why = `it unpacks to ${unpacked.diffId}, the config says ${job.diffId}`;
    throw new TsbuildError("TSB_INTEGRITY", why);
  } catch (error) {
    snapshots.discard(active);
    throw error;
  }
}

/** Folders that the layer needs but does not describe look as they do below: it would hide them otherwise. */
async function inherit(run: UnpackRun, layer: OpenedLayer, folders: readonly string[]): Promise<void> {
  const { fs } = run.options.env;
  const { impliedFolders } = layer.unpacked;
  if (impliedFolders.length === 0 || folders.length === 0) return;
  const root = fs.openFolder(layer.active.upper);
  const lowers = folders.map((folder) => fs.openFolder(folder));
  try {
    await inheritFolders(fs, root, { lowers, folders: impliedFolders });
  } finally {
    for (const fd of [root, ...lowers]) fs.close(fd);
  }
}
