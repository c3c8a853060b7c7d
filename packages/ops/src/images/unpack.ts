import { type ChainId, chainId, type DiffId, type SnapshotId, TsbuildError } from "@tsbuild/base";
import { dropIdleWhiteouts, inheritFolders, LayerWorkers } from "@tsbuild/oci";
import type { OpContext } from "@tsbuild/solver";
import { rememberSource } from "@tsbuild/store";
import type { KnownImage, ProviderOptions } from "./provider.ts";
import {
  isUnpackedAsItComes,
  type LayerJob,
  type OpenedLayer,
  openLayer,
  type UnpackRun,
} from "./unpack-layer.ts";

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
  const workers = new LayerWorkers();
  // They are ready when the first bytes are there.
  workers.begin(jobs.filter(({ blob }) => isUnpackedAsItComes(options, blob)).length);
  try {
    const run = {
      options,
      origin: await image.origin(),
      context,
      workers,
      signal: context.signal,
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
    await openAll(run, stack.jobs, opened);
    for (const [i, layer] of opened.entries()) {
      await settle(run, layer, top === null ? [] : store.snapshots.lowers(top));
      const single = store.snapshots.commit(layer.active);
      committed = i + 1;
      const layers = await store.snapshots.wholeLayers(single);
      const [info] = layers;
      const { diffId } = layer.job;
      if (info !== undefined)
        store.snapshots.setDiff(info.id, { diffId, sizeBytes: layer.unpacked.sizeBytes });
      store.blobs.setCompressed(diffId, run.remembered, layer.job.blob);
      if (run.origin.repository !== undefined)
        rememberSource(store, { ...run.origin.repository, digest: layer.job.blob.digest });
      top = store.snapshots.stack(top, layers);
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

/** Layers on their way at once: as many as there are connections to a registry. They wait for a thread to unpack them. */
const LAYERS_AT_ONCE = 4;

/** Places of the jobs, the largest blob first: one that is begun last is waited for alone. */
function largestFirst(jobs: readonly LayerJob[]): number[] {
  return [...jobs.keys()].sort((a, b) => (jobs[b]?.blob.size ?? 0) - (jobs[a]?.blob.size ?? 0));
}

/** Fills `opened` by position. The first failure ends all; settles only when nothing is running any more. */
async function openAll(run: UnpackRun, jobs: readonly LayerJob[], opened: OpenedLayer[]): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const order = largestFirst(jobs);
  let failure: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let index = order.shift(); index !== undefined && failure === undefined; index = order.shift()) {
      const job = jobs[index];
      if (job !== undefined) opened[index] = await openLayer({ ...run, signal }, job);
    }
  };
  const workers = Array.from({ length: LAYERS_AT_ONCE }, () =>
    worker().catch((error: unknown) => {
      failure ??= { error };
      stop.abort(error);
    }),
  );
  await Promise.all(workers);
  if (failure !== undefined) throw failure.error;
}

/**
 * What a layer could not know before those below it were there: folders that it needs but does not describe look as they do below (it
 * would hide them otherwise), and whiteouts of nothing go.
 */
async function settle(run: UnpackRun, layer: OpenedLayer, folders: readonly string[]): Promise<void> {
  const { fs } = run.options.env;
  const { impliedFolders, whiteouts } = layer.unpacked;
  if (whiteouts.length === 0 && (impliedFolders.length === 0 || folders.length === 0)) return;
  const root = fs.openFolder(layer.active.upper);
  const lowers = folders.map((folder) => fs.openFolder(folder));
  try {
    await inheritFolders(fs, root, { lowers, folders: impliedFolders });
    await dropIdleWhiteouts(fs, root, { lowers, whiteouts });
  } finally {
    for (const fd of [root, ...lowers]) fs.close(fd);
  }
}
