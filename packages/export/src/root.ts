import { sha256 } from "@tsbuild/base";
import { type Descriptor, type Index, type LayoutBlob, mediaTypes, serializeIndex } from "@tsbuild/oci";
import { annotated, annotationsFor, checkAnnotations } from "./annotations.ts";
import { type AttestationManifest, attestationManifest } from "./attached.ts";
import type { ImageAttributes } from "./attributes.ts";
import type { PackagedImage } from "./image.ts";

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
}

function listed({ descriptor, image }: PackagedImage, { annotations }: ImageAttributes): Descriptor {
  const own = annotationsFor(annotations, "manifest-descriptor", image.platform);
  return { ...descriptor, ...annotated(own) };
}

/** Images in their order, which is that of the flag, then what is claimed of them: equal builds give equal indexes. */
export function rootOf(
  images: readonly PackagedImage[],
  attributes: ImageAttributes,
  { type, names, attach }: RootOptions,
): Root {
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
      ...attestations.flatMap(({ descriptor: { digest, size }, bytes: document, blobs: parts }) => [
        { digest, size, bytes: document },
        ...parts,
      ]),
      ...blobs,
    ],
  };
}
