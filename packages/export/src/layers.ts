import { createReadStream } from "node:fs";
import { type DiffId, type Digest, sha256, TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import {
  type CompressionVariant,
  compress,
  compressionOf,
  copied,
  DEFAULT_LEVELS,
  type Descriptor,
  decompress,
  estargz,
  estargzVariant,
  type LayoutBlob,
  layerMediaType,
  measureLayer,
  type PackedLayer,
  packLayerPieces,
  type TarPiece,
  TOC_DIGEST,
  UNCOMPRESSED_SIZE,
  variantName,
} from "@tsbuild/oci";
import type { RemoteLayer } from "@tsbuild/store";
import type { ImageAttributes } from "./attributes.ts";
import { told } from "./progress.ts";
import type { CommittedLayer, ExportOptions } from "./types.ts";
import { sharedWorkers } from "./workers.ts";

/** Variant under which a blob is remembered as it was pulled. */
export const PULLED = "pulled";
/** Likewise, of an archive that says nothing about how its layers are to be compressed: docker's are plain tars. */
const LOADED = "loaded";

/** A layer as it goes out: its descriptor and where its bytes come from. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  readonly blob: LayoutBlob;
  /** What it unpacks to, where that is not the layer itself: an eStargz blob holds a table of contents besides. */
  readonly diffId?: DiffId | undefined;
}

interface LayerExport {
  readonly layer: CommittedLayer;
  readonly attributes: ImageAttributes;
  readonly options: ExportOptions;
}

/** The same blob under the family of media types that is asked for; bytes and digest stay. */
function describe(
  blob: Pick<Descriptor, "mediaType" | "digest" | "size" | "annotations">,
  attributes: ImageAttributes,
): Descriptor {
  const { digest, size, annotations = {} } = blob;
  // What lets snapshotters mount an eStargz layer before it is fetched. Other annotations of a base's layers are its own affair.
  const kept = Object.entries(annotations).filter(([key]) => key === TOC_DIGEST || key === UNCOMPRESSED_SIZE);
  return {
    mediaType: layerMediaType(compressionOf(blob.mediaType), !attributes.ociTypes),
    digest,
    size,
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
  };
}

function fromStore(
  blob: Descriptor,
  { attributes, options }: Pick<LayerExport, "attributes" | "options">,
): LayerBlob {
  const descriptor = describe(blob, attributes);
  return {
    descriptor,
    blob: { digest: blob.digest, size: blob.size, path: options.store.blobs.path(blob.digest) },
  };
}

/** That a layer has gone from where it was is not for the registry to answer that it is sent to. */
async function* stillThere(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_RESOLVE") throw error;
    const hint =
      "has the registry removed it? --pull resolves the base again; without --cache-from the steps run here";
    throw new TsbuildError("TSB_EXPORT", error.message, { hint, cause: error });
  }
}

/**
 * The blob of a layer that is elsewhere. A registry gets it from there, if it has to be sent at all, and verifies it; an archive gets it when its
 * bytes were found to be right.
 */
export async function remoteBlob(
  job: Pick<LayerExport, "attributes" | "options"> & { readonly layer: RemoteLayer },
): Promise<LayerBlob> {
  const { layer, attributes, options } = job;
  const { blob } = layer;
  const { digest, size } = blob;
  if (options.store.blobs.has(digest)) return fromStore(blob, job);
  const open = () => stillThere(layer.open(options.signal));
  if (attributes.push) return { descriptor: describe(blob, attributes), blob: { digest, size, open } };
  await options.store.blobs.ingest(told(open(), `fetching ${digest}`, options), { digest, size });
  return fromStore(blob, job);
}

function changed(layer: CommittedLayer, found: PackedLayer): TsbuildError {
  const why = `it packs to ${found.diffId}, the image says ${layer.diffId}`;
  return new TsbuildError("TSB_STORE", `the bytes of a layer cannot be made again: ${why}`, {
    hint: "pull its base image again, or build with --no-cache",
  });
}

/** Passes the tar on; at its end fails when it is not the layer that the image names. */
async function* verified(layer: CommittedLayer, tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const measured = measureLayer(tar);
  yield* measured.stream;
  const found = measured.result();
  if (found.diffId !== layer.diffId) throw changed(layer, found);
}

/** A layer from elsewhere: its tar is in its blob, and only there byte for byte; a built one's is packed. */
function foreignBlob({ layer, options }: LayerExport): Descriptor | undefined {
  const { blobs } = options.store;
  return blobs.compressed(layer.diffId, PULLED) ?? blobs.compressed(layer.diffId, LOADED);
}

function readBlob(store: ExportOptions["store"], blob: Descriptor): AsyncIterable<Uint8Array> {
  return createReadStream(store.blobs.path(blob.digest), { highWaterMark: 1024 * 1024 });
}

/** Bytes of the blob, compressed. Packing happens on a worker; what is in a blob already is recompressed here. */
function compressedStream(job: LayerExport, variant: CompressionVariant): AsyncIterable<Uint8Array> {
  const { layer, options } = job;
  const known = foreignBlob(job);
  if (known !== undefined) {
    return compress(verified(layer, decompress(readBlob(options.store, known))), variant, { reuse: true });
  }
  const workers = options.workers ?? sharedWorkers();
  const { folder, maxMtimeNs } = layer;
  const packing = { folder, maxMtimeNs, variant, known: layer };
  return packedStream(layer, workers.pack(packing, { signal: options.signal }));
}

async function* packedStream(
  layer: CommittedLayer,
  packed: { readonly stream: AsyncIterable<Uint8Array>; readonly result: Promise<PackedLayer> },
): AsyncGenerator<Uint8Array> {
  // Awaited below; when reading stops earlier, nobody is left to hear of it.
  packed.result.catch(() => undefined);
  yield* packed.stream;
  const found = await packed.result;
  if (found.diffId !== layer.diffId) throw changed(layer, found);
}

async function compressLayer(job: LayerExport): Promise<LayerBlob> {
  const { layer, attributes, options } = job;
  const { blobs } = options.store;
  const stream = told(compressedStream(job, attributes.variant), `compressing ${layer.diffId}`, options);
  const { digest, size } = await blobs.ingest(stream);
  const blob = { mediaType: layerMediaType(attributes.variant.compression), digest, size };
  blobs.setCompressed(layer.diffId, variantName(attributes.variant), blob);
  return fromStore(blob, job);
}

/** With a blob in the store: its diff ID, which no descriptor has. (containerd's label of the same meaning.) */
const DIFF_ID = "containerd.io/uncompressed";

async function estargzLayer(job: LayerExport): Promise<LayerBlob> {
  const { layer, attributes, options } = job;
  const { blobs } = options.store;
  const level = attributes.variant.level ?? DEFAULT_LEVELS.gzip;
  const variant = estargzVariant(level);
  const known = blobs.compressed(layer.diffId, variant);
  const blob = known ?? (await makeEstargz(job, level));
  if (known === undefined) blobs.setCompressed(layer.diffId, variant, blob);
  return { ...fromStore(blob, job), diffId: blob.annotations?.[DIFF_ID] as DiffId | undefined };
}

async function makeEstargz(job: LayerExport, level: number): Promise<Descriptor> {
  const { layer, options } = job;
  // A reader of archives keeps chunks for a while; these are memory that is used again.
  const made = estargz(copied(compressedStream(job, { compression: "uncompressed" })), level);
  const stream = told(made.stream, `compressing ${layer.diffId}`, options);
  const { digest, size } = await options.store.blobs.ingest(stream);
  const { diffId, sizeBytes, tocDigest } = made.result();
  const annotations = { [TOC_DIGEST]: tocDigest, [UNCOMPRESSED_SIZE]: String(sizeBytes), [DIFF_ID]: diffId };
  return { mediaType: layerMediaType("gzip"), digest, size, annotations };
}

/** The tar itself: it goes from the layer folder to the output without being stored in between. */
function uncompressedLayer(job: LayerExport): LayerBlob {
  const { layer, attributes, options } = job;
  const id = `writing ${layer.diffId}`;
  const digest = layer.diffId as string as Digest;
  const size = layer.sizeBytes;
  const descriptor = { mediaType: layerMediaType("uncompressed", !attributes.ociTypes), digest, size };
  const open = () => told(compressedStream(job, { compression: "uncompressed" }), id, options);
  const openPieces = () => told(tarPieces(job), id, options);
  return { descriptor, blob: { digest, size, open, openPieces } };
}

/** The tar with the large files left where they are, when the folder still looks as it did when it was measured. */
async function* tarPieces(job: LayerExport): AsyncGenerator<TarPiece> {
  const { layer, options } = job;
  const root = nativeFs.openFolder(layer.folder);
  try {
    const walked = await nativeFs.walk(root, "", { xattrs: true });
    if (foreignBlob(job) === undefined && layer.tree === sha256(walked)) {
      const { signal } = options;
      const { maxMtimeNs } = layer;
      yield* packLayerPieces(root, { fs: nativeFs, signal, maxMtimeNs, walked, reuse: true, ranges: true });
    } else yield* compressedStream(job, { compression: "uncompressed" });
  } finally {
    nativeFs.close(root);
  }
}

/** The blob of a layer as it came, or as it was made before with the same compressor; undefined: it would have to be made. */
export function knownBlob(job: LayerExport): LayerBlob | undefined {
  const { layer, attributes, options } = job;
  const { blobs } = options.store;
  const pulled = attributes.force ? undefined : blobs.compressed(layer.diffId, PULLED);
  if (pulled !== undefined) return fromStore(pulled, job);
  if (attributes.estargz || attributes.variant.compression === "uncompressed") return undefined;
  const made = blobs.compressed(layer.diffId, variantName(attributes.variant));
  return made === undefined ? undefined : fromStore(made, job);
}

/**
 * The blob of one layer: a pulled one as it came, unless compression is forced; else one made before with the same compressor; else it is
 * made now and kept (X019).
 */
export async function layerBlob(job: LayerExport): Promise<LayerBlob> {
  const { attributes } = job;
  const known = knownBlob(job);
  if (known !== undefined) return known;
  if (attributes.estargz) return estargzLayer(job);
  return attributes.variant.compression === "uncompressed" ? uncompressedLayer(job) : compressLayer(job);
}
