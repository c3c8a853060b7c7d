import { readdirSync } from "node:fs";
import { chainId, type DiffId, type Digest, errnoCode, type SnapshotId, sha256 } from "@tsbuild/base";
import {
  alignHistory,
  type CompressionVariant,
  formatReference,
  type ImageConfig,
  isSmallFolder,
  type JobOptions,
  type LayerWorkers,
  type LayoutBlob,
  layerMediaType,
  type Manifest,
  mediaTypes,
  type PackedLayer,
  type PackedStream,
  parseReference,
  readFileReusing,
  serializeImageConfig,
  serializeManifest,
  variantName,
} from "@tsbuild/oci";
import type { RemoteLayer, Store, WholeLayer, WrittenBlob } from "@tsbuild/store";
import { createdOf, dateHistory } from "./history.ts";
import { packOnce } from "./packing.ts";
import { told } from "./progress.ts";
import type { CommitRequest, CommittedImage, CommittedLayer } from "./types.ts";
import { sharedWorkers } from "./workers.ts";

type MeasureRequest = Pick<
  CommitRequest,
  | "snapshot"
  | "workers"
  | "signal"
  | "onWarning"
  | "onProgress"
  | "onPacking"
  | "onBlob"
  | "onLayer"
  | "compress"
> &
  Pick<JobOptions, "onThread">;

/** Measures the layers that nobody has packed yet, all at once, and remembers what comes out. */
export async function measureLayers(store: Store, request: MeasureRequest): Promise<CommittedLayer[]> {
  const layers = request.snapshot === null ? [] : await store.snapshots.wholeLayers(request.snapshot);
  const workers = request.workers ?? sharedWorkers();
  const measured = layers.map(async (layer) => {
    const found = await measureLayer(store, workers, layer, request);
    request.onLayer?.(found);
    return found;
  });
  if (layers.some(isNew)) request.onPacking?.();
  const settled = await Promise.allSettled(measured);
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

function isNew({ diffId, sizeBytes }: WholeLayer): boolean {
  return diffId === undefined || sizeBytes === undefined;
}

async function measureLayer(
  store: Store,
  workers: LayerWorkers,
  layer: WholeLayer,
  request: MeasureRequest,
): Promise<CommittedLayer> {
  const { folder, createdMs, diffId, sizeBytes } = layer;
  if (diffId !== undefined && sizeBytes !== undefined) {
    return { folder, createdMs, diffId, sizeBytes, tree: knownTree(store, layer.id) };
  }
  // One layer can be in a stack twice, or on its way already.
  const { compress, onProgress, onBlob } = request;
  const wanted = { id: layer.id, compress, listener: { onProgress, onBlob } };
  return packOnce(store, wanted, (tell) => packNew(store, workers, layer, { ...request, ...tell }));
}

async function packNew(
  store: Store,
  workers: LayerWorkers,
  { id, folder, createdMs }: WholeLayer,
  request: MeasureRequest,
): Promise<CommittedLayer> {
  const { signal, onWarning, compress, onThread } = request;
  const onSkipped = (path: string, why: string) => onWarning?.(`/${path} is left out of the image: ${why}`);
  const packed =
    compress === undefined
      ? await workers.measure({ folder }, { signal, onSkipped })
      : await compressNow(
          store,
          workers.pack({ folder, variant: compress }, { signal, onSkipped, onThread }),
          compress,
          request,
        );
  store.snapshots.setDiff(id, packed);
  if (packed.tree !== undefined) store.memo.set(TREE_KIND, String(id), Buffer.from(packed.tree));
  return { folder, createdMs, ...packed };
}

/**
 * Begins with the layers of a snapshot that nobody has packed yet and that are worth a thread (or for which one waits), for an image that will be asked for in this form.
 * What goes wrong shows when it is. Resolves when nothing is being packed any more.
 */
export async function packLargeLayers(
  store: Store,
  request: Pick<CommitRequest, "snapshot" | "compress" | "signal" | "workers">,
): Promise<void> {
  const layers = request.snapshot === null ? [] : await store.snapshots.wholeLayers(request.snapshot);
  const workers = request.workers ?? sharedWorkers();
  const packing = layers.filter(isNew).map(async (layer) => {
    if (await isForThread(workers, layer))
      await measureLayer(store, workers, layer, { ...request, onThread: true });
  });
  await Promise.allSettled(packing);
}

/** A thread that waits gets what there is: the step that follows wants this one, and a look at all of the folder would wait for its turn. */
async function isForThread({ isIdle }: LayerWorkers, { folder }: WholeLayer): Promise<boolean> {
  return isIdle ? readdirSync(folder).length > 0 : !(await isSmallFolder(folder));
}

/** What the folder of a layer looked like when it was packed is worth remembering, and no loss when it is forgotten. */
const TREE_KIND = "layer-tree";

function knownTree(store: Store, layer: number): Digest | undefined {
  const tree = store.memo.get(TREE_KIND, String(layer));
  return tree === undefined ? undefined : (Buffer.from(tree).toString() as Digest);
}

/** One reading of the layer gives both its diff ID and the blob that an output will ask for. */
async function compressNow(
  store: Store,
  packing: PackedStream,
  variant: CompressionVariant,
  request: MeasureRequest,
): Promise<PackedLayer> {
  // Awaited below; when writing the blob fails, nobody is left to hear of it.
  packing.result.catch(() => undefined);
  const stream = told(packing.stream, "compressing layers", request);
  const { digest, size } = await store.blobs.ingest(stream, undefined, (written) => {
    const blob = arrivedBlob(store, written);
    if (blob !== undefined) request.onBlob?.(blob);
  });
  const packed = await packing.result;
  const blob = { mediaType: layerMediaType(variant.compression), digest, size };
  store.blobs.setCompressed(packed.diffId, variantName(variant), blob);
  return packed;
}

/** A blob that is whole, and about to get its name; undefined: it is not whole. */
function arrivedBlob(store: Store, { file, sizeBytes, digest }: WrittenBlob): LayoutBlob | undefined {
  if (digest === undefined) return undefined;
  const open = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* readFileReusing(file);
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw error;
      yield* readFileReusing(store.blobs.path(digest));
    }
  };
  return { digest, size: sizeBytes, open };
}

type LayerSource = Pick<RemoteLayer, "diffId" | "createdMs">;

export function completeConfig(
  request: Pick<CommitRequest, "config" | "epochSeconds">,
  layers: readonly LayerSource[],
): ImageConfig {
  const { config, epochSeconds } = request;
  const epochMs = epochSeconds === undefined ? undefined : epochSeconds * 1000;
  const times = layers.map(({ createdMs = 0 }) => ({ createdMs }));
  const history = dateHistory(alignHistory(config.history ?? [], layers.length), times, { epochMs });
  return {
    ...config,
    created: createdOf(config, history, epochMs ?? 0),
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
}

/** What is told of the image besides its documents. */
export function asCommitted(
  request: CommitRequest,
  made: Pick<CommittedImage, "imageId" | "manifest" | "config" | "layers">,
): CommittedImage {
  const { snapshot, names, platform, epochSeconds, clamped } = request;
  const baseLayers = Math.min(request.config.rootfs.diff_ids.length, made.layers.length);
  return { ...made, snapshot, names, platform, baseLayers, epochSeconds, clamped };
}

/** The image that a commit will make, of layers whose digests are made up: each document is as long as the real one. */
export function sketchImage(request: CommitRequest, layers: readonly CommittedLayer[]): CommittedImage {
  const none = sha256(new Uint8Array());
  return asCommitted(request, {
    imageId: none,
    manifest: none,
    config: completeConfig(request, layers),
    layers,
  });
}

function localManifest(
  config: { digest: Digest; size: number },
  layers: readonly CommittedLayer[],
): Manifest {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, ...config },
    layers: layers.map(({ diffId, sizeBytes }) => ({
      mediaType: mediaTypes.ociLayer,
      digest: diffId as string as Digest,
      size: sizeBytes,
    })),
  };
}

/** The snapshots of a stack, bottom first. */
function stackOf(store: Store, top: SnapshotId | null): SnapshotId[] {
  const stack: SnapshotId[] = [];
  for (let id = top; id !== null; id = store.snapshots.parent(id)) stack.unshift(id);
  return stack;
}

/** Makes every prefix of the stack findable, so that a pull or another build with the same layers shares them. */
function shareLayers(store: Store, top: SnapshotId | null, diffIds: readonly DiffId[]): void {
  for (const [index, id] of stackOf(store, top).entries()) {
    const chain = chainId(diffIds.slice(0, index + 1));
    if (chain !== undefined && store.snapshots.byChainId(chain) === undefined)
      store.snapshots.setChainId(id, chain);
  }
}

/** Undefined: its layers are not here. */
export function storedSnapshot({ snapshot, remote }: Pick<CommittedImage, "snapshot" | "remote">) {
  return remote === undefined ? snapshot : undefined;
}

/** Puts a committed image under its names; without a name under its ID, so that it is not lost. */
export function registerImage(
  store: Store,
  image: Pick<CommittedImage, "imageId" | "manifest" | "snapshot" | "names" | "remote">,
  made: "built" | "imported" = "built",
): void {
  const names = image.names.length > 0 ? image.names : [formatReference(parseReference(image.imageId))];
  const { imageId: config, manifest } = image;
  // Layers that are elsewhere are where the names were pushed to: it is as if they had been pulled from there.
  const origin = image.remote === undefined ? made : "pulled";
  const snapshot = storedSnapshot(image);
  for (const name of names) store.images.put({ name, manifest, config, snapshot, origin });
}

/**
 * Makes an image of a build's result: takes the diff IDs that are missing, completes the config (layers, history, times), and stores it
 * with a manifest of uncompressed layers. No layer is compressed or copied for that; exporters do it when asked. The same result gives
 * the same image, whenever it is committed.
 */
export async function commitImage(store: Store, request: CommitRequest): Promise<CommittedImage> {
  const layers = await measureLayers(store, request);
  const config = completeConfig(request, layers);
  const configBytes = serializeImageConfig(config);
  request.onConfig?.(configBytes);
  const imageId = sha256(configBytes);
  const document = serializeManifest(localManifest({ digest: imageId, size: configBytes.length }, layers));
  const manifest = sha256(document);
  await store.blobs.writeAll([configBytes, document]);
  shareLayers(store, request.snapshot, config.rootfs.diff_ids);
  const image = asCommitted(request, { imageId, manifest, config, layers });
  if (request.register !== false) registerImage(store, image, request.origin);
  return image;
}
