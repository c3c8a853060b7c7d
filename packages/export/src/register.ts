import type { Digest } from "@tsbuild/base";
import {
  type Descriptor,
  formatReference,
  mediaTypes,
  parseManifest,
  parseReference,
  serializeManifest,
} from "@tsbuild/oci";
import type { ImageVariant, Store } from "@tsbuild/store";
import { annotated, annotationsFor } from "./annotations.ts";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { registerImage, storedSnapshot } from "./commit.ts";
import { descriptorPlatform, type PackagedImage } from "./image.ts";
import { mainImage, rootOf } from "./root.ts";
import type { CommittedImage, ExportRequest, ExportResult } from "./types.ts";

/** An image as the store has it, with layers that are not compressed. */
function asStored(store: Store, image: CommittedImage, { annotations }: ImageAttributes): PackagedImage {
  const own = annotationsFor(annotations, "manifest", image.platform);
  const found = store.blobs.read(image.manifest);
  const manifest = parseManifest(found);
  const isPlain = Object.keys(own).length === 0;
  const bytes = isPlain ? found : serializeManifest({ ...manifest, ...annotated(own) });
  const digest = isPlain ? image.manifest : store.blobs.write(bytes);
  const mediaType = manifest.mediaType ?? mediaTypes.ociManifest;
  const descriptor = { mediaType, digest, size: bytes.length, platform: descriptorPlatform(image) };
  return { image: { ...image, manifest: digest }, descriptor, manifest, blobs: [] };
}

function variantOf({ image }: PackagedImage): ImageVariant {
  const { manifest, imageId: config } = image;
  return { manifest, config, snapshot: storedSnapshot(image) };
}

/** X011: its names; with the digest as well; without a name a prefix and the digest. */
function storedNames(
  given: readonly string[],
  digest: Digest,
  { nameCanonical, danglingPrefix }: ImageAttributes,
): readonly string[] {
  const withDigest = (name: string) => formatReference({ ...parseReference(name), tag: undefined, digest });
  const dangling = given.length === 0 && danglingPrefix !== undefined ? [withDigest(danglingPrefix)] : [];
  return [...given, ...dangling, ...(nameCanonical ? given.map(withDigest) : [])];
}

/**
 * Puts images into the local store under their names: one image as such; several, or one with attestations, as an index. Annotations of
 * the output become part of what is stored.
 */
export function registerImages(
  store: Store,
  images: readonly CommittedImage[],
  request: Pick<ExportRequest, "attrs">,
): ExportResult {
  const attributes = imageAttributes({ type: "image", attrs: request.attrs });
  const given = attributes.names ?? images[0]?.names ?? [];
  const packaged = images.map((image) => asStored(store, image, attributes));
  const attach = attributes.attestAs === "index";
  const root = rootOf(packaged, attributes, { type: "image", names: given, attach });
  const descriptor: Descriptor = root.descriptor;
  const names = storedNames(given, descriptor.digest, attributes);
  const [only] = packaged;
  if (root.index === undefined && only !== undefined) {
    registerImage(store, { ...only.image, names });
    return { manifest: descriptor.digest, descriptor };
  }
  for (const blob of root.blobs) if ("bytes" in blob) store.blobs.write(blob.bytes);
  const main = mainImage(root.index ?? new Uint8Array(), packaged).image;
  const index = { digest: descriptor.digest, variants: packaged.map(variantOf) };
  const all = names.length > 0 ? names : [formatReference(parseReference(main.imageId))];
  const { imageId: config, manifest } = main;
  const snapshot = storedSnapshot(main);
  const origin = images.some(({ remote }) => remote !== undefined) ? "pulled" : "built";
  for (const name of all) store.images.put({ name, manifest, config, snapshot, origin, index });
  return { manifest: descriptor.digest, descriptor };
}
