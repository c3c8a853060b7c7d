import { hostPlatform, sha256 } from "@tsbuild/base";
import {
  type Descriptor,
  type Index,
  imageManifests,
  type LayoutBlob,
  mediaTypes,
  parseIndex,
  selectPlatform,
  serializeIndex,
} from "@tsbuild/oci";
import { annotated, annotationsFor, checkAnnotations } from "./annotations.ts";
import { type AttestationManifest, attestationManifest } from "./attached.ts";
import type { ImageAttributes } from "./attributes.ts";
import type { PackagedImage } from "./image.ts";
import type { OriginalIndex } from "./types.ts";

/** What an output stands for: the only image, or an index of one per platform and of what is claimed of them (X025, X027). */
export interface Root {
  readonly descriptor: Descriptor;
  /** Bytes of the index; undefined when the only image is the root. */
  readonly index: Uint8Array | undefined;
  readonly attestations: readonly AttestationManifest[];
  readonly blobs: readonly LayoutBlob[];
}

/** How what is claimed of an image goes out, and under which names the image does. */
export interface RootOptions {
  readonly type: string;
  /** Normalised. */
  readonly names: readonly string[];
  /** False: nothing is attached in the index (it goes out as referrers, or not at all). */
  readonly attach: boolean;
  readonly original?: OriginalIndex | undefined;
}

function listed({ descriptor, image }: PackagedImage, { annotations }: ImageAttributes): Descriptor {
  const own = annotationsFor(annotations, "manifest-descriptor", image.platform);
  return { ...descriptor, ...annotated(own) };
}

function blobsOf({ descriptor: { digest, size }, bytes, blobs }: AttestationManifest): LayoutBlob[] {
  return [{ digest, size, bytes }, ...blobs];
}

/** The index that the images came from, when all of them go out as they came and nobody asks for other annotations. */
function asItCame(
  images: readonly PackagedImage[],
  attributes: ImageAttributes,
  original: OriginalIndex | undefined,
): Root | undefined {
  if (original === undefined || attributes.annotations.length > 0) return undefined;
  const { bytes, others } = original;
  const { mediaType = mediaTypes.ociIndex, ...index } = parseIndex(bytes);
  const digests = new Set(images.map(({ descriptor }) => descriptor.digest));
  const listed = imageManifests(index);
  if (listed.length !== digests.size || !listed.every(({ digest }) => digests.has(digest))) return undefined;
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
  const blobs = [{ ...descriptor, bytes }, ...others.flatMap(blobsOf), ...images.flatMap((one) => one.blobs)];
  return { descriptor, index: bytes, attestations: others, blobs };
}

/** The image of an index that is wanted by who knows no index: that for this machine, else the first. */
export function mainImage(index: Uint8Array, images: readonly PackagedImage[]): PackagedImage {
  const wanted = selectPlatform(parseIndex(index), hostPlatform())?.digest;
  const found = images.find(({ descriptor }) => descriptor.digest === wanted) ?? images[0];
  if (found === undefined) throw new Error("assertion failed: an index has an image");
  return found;
}

/** Images in their order, which is that of the flag, then what is claimed of them: equal builds give equal indexes. */
export function rootOf(
  images: readonly PackagedImage[],
  attributes: ImageAttributes,
  { type, names, attach, original }: RootOptions,
): Root {
  const came = asItCame(images, attributes, original);
  if (came !== undefined) return came;
  const artifact = attributes.ociArtifact;
  const attestations = attach
    ? images.flatMap((image) => attestationManifest(image, names, { artifact }) ?? [])
    : [];
  const [only] = images;
  const hasIndex = images.length > 1 || attestations.length > 0;
  const platforms = images.map(({ image }) => image.platform);
  checkAnnotations(attributes.annotations, { type, platforms, hasIndex });
  const blobs = images.flatMap((image) => image.blobs);
  if (!hasIndex && only !== undefined) {
    return { descriptor: listed(only, attributes), index: undefined, attestations, blobs };
  }
  const manifests = images.map((image) => listed(image, attributes));
  // Docker's list knows no attestations: with them all is OCI's, whose readers take Docker's manifests in it as well.
  const mediaType =
    attributes.ociTypes || attestations.length > 0 ? mediaTypes.ociIndex : mediaTypes.dockerIndex;
  const index: Index = {
    schemaVersion: 2,
    mediaType,
    manifests: [...manifests, ...attestations.map(({ descriptor }) => descriptor)],
    ...annotated(annotationsFor(attributes.annotations, "index")),
  };
  const bytes = serializeIndex(index);
  const own = annotated(annotationsFor(attributes.annotations, "index-descriptor"));
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length, ...own };
  return {
    descriptor,
    index: bytes,
    attestations,
    blobs: [
      { digest: descriptor.digest, size: bytes.length, bytes },
      ...attestations.flatMap(blobsOf),
      ...blobs,
    ],
  };
}
