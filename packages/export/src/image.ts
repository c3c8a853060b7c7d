import { type Digest, sha256 } from "@tsbuild/base";
import {
  type Descriptor,
  type LayoutBlob,
  type Manifest,
  mediaTypes,
  parseManifest,
  serializeImageConfig,
  serializeManifest,
} from "@tsbuild/oci";
import { annotated, annotationsFor } from "./annotations.ts";
import type { ImageAttributes } from "./attributes.ts";
import { type LayerBlob, layerBlob, remoteBlob } from "./layers.ts";
import type { CommittedImage, ExportOptions } from "./types.ts";

/** An image in the form in which it leaves: its manifest and everything that names. */
export interface PackagedImage {
  readonly image: CommittedImage;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly blobs: readonly LayoutBlob[];
}

export interface PackageOptions extends ExportOptions {
  /** Given each layer as soon as it is packed, while others still are. */
  readonly onLayer?: ((layer: LayerBlob) => void) | undefined;
}

/** All layers at once; when one fails, the others are waited for, so that nothing writes on after the failure is shown. */
async function layerBlobs(
  image: CommittedImage,
  attributes: ImageAttributes,
  options: PackageOptions,
): Promise<LayerBlob[]> {
  const { layers, remote = [] } = image;
  const packing = [
    ...layers.map((layer) => layerBlob({ layer, attributes, options })),
    ...remote.map((layer) => remoteBlob({ layer, attributes, options })),
  ];
  const jobs = packing.map(async (job) => {
    const packed = await job;
    options.onLayer?.(packed);
    return packed;
  });
  const settled = await Promise.allSettled(jobs);
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

/** A document, as a blob of its own. */
export function smallBlob(bytes: Uint8Array): LayoutBlob & { readonly bytes: Uint8Array } {
  return { digest: sha256(bytes), size: bytes.length, bytes };
}

/** An image with the manifest it was pulled with, when all of its blobs are here and nothing else is asked for. */
function asItCame(
  image: CommittedImage,
  attributes: ImageAttributes,
  { store }: PackageOptions,
): PackagedImage | undefined {
  const { original } = image;
  if (original?.manifest === undefined || attributes.force) return undefined;
  if (attributes.annotations.some(({ scope }) => scope === "manifest")) return undefined;
  const manifest = parseManifest(original.manifest);
  if (!manifest.layers.every(({ digest }) => store.blobs.has(digest))) return undefined;
  const document = smallBlob(original.manifest);
  const { digest, size } = document;
  const mediaType = manifest.mediaType ?? mediaTypes.ociManifest;
  const layers = manifest.layers.map((layer) => ({
    digest: layer.digest,
    size: layer.size,
    path: store.blobs.path(layer.digest),
  }));
  return {
    image,
    descriptor: { mediaType, digest: digest as Digest, size, platform: descriptorPlatform(image) },
    manifest,
    blobs: [document, smallBlob(original.config), ...layers],
  };
}

/** Compresses what has to be compressed, and makes the manifest of it. */
export async function packageImage(
  image: CommittedImage,
  attributes: ImageAttributes,
  options: PackageOptions,
): Promise<PackagedImage> {
  const came = asItCame(image, attributes, options);
  if (came !== undefined) {
    for (const descriptor of came.manifest.layers) {
      const { digest, size } = descriptor;
      options.onLayer?.({ descriptor, blob: { digest, size, path: options.store.blobs.path(digest) } });
    }
    return came;
  }
  const layers = await layerBlobs(image, attributes, options);
  const config = smallBlob(configBytes(image, layers));
  const { ociTypes, annotations } = attributes;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: ociTypes ? mediaTypes.ociManifest : mediaTypes.dockerManifest,
    config: {
      mediaType: ociTypes ? mediaTypes.ociConfig : mediaTypes.dockerConfig,
      digest: config.digest,
      size: config.size,
    },
    layers: layers.map((layer) => layer.descriptor),
    ...annotated(annotationsFor(annotations, "manifest", image.platform)),
  };
  const document = smallBlob(serializeManifest(manifest));
  const descriptor = {
    mediaType: manifest.mediaType ?? mediaTypes.ociManifest,
    digest: document.digest as Digest,
    size: document.size,
    platform: descriptorPlatform(image),
  };
  return { image, descriptor, manifest, blobs: [document, config, ...layers.map((layer) => layer.blob)] };
}

/** As it was, unless layers go out as something that unpacks to more than they are. */
function configBytes({ config, original }: CommittedImage, layers: readonly LayerBlob[]): Uint8Array {
  const own = layers.some(({ diffId }) => diffId !== undefined);
  if (!own) return original?.config ?? serializeImageConfig(config);
  const diffIds = config.rootfs.diff_ids.map((diffId, at) => layers[at]?.diffId ?? diffId);
  return serializeImageConfig({ ...config, rootfs: { type: "layers", diff_ids: diffIds } });
}

export function descriptorPlatform({ config }: CommittedImage): NonNullable<Descriptor["platform"]> {
  const { architecture, os, variant } = config;
  return { architecture, os, ...(variant ? { variant } : {}) };
}
