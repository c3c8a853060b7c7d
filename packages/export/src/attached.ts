import { type Digest, sha256 } from "@tsbuild/base";
import {
  type Descriptor,
  indexReference,
  type LayoutBlob,
  type Manifest,
  mediaTypes,
  serializeManifest,
} from "@tsbuild/oci";
import { type Attestation, IN_TOTO_MEDIA_TYPE, imageSubjects, statementBytes } from "./attestation.ts";
import { type PackagedImage, smallBlob } from "./image.ts";

/** The manifest that carries what is claimed of an image. */
export interface AttestationManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** Config and statements. */
  readonly blobs: readonly LayoutBlob[];
}

const ARTIFACT_TYPE = "application/vnd.docker.attestation.manifest.v1+json";
const EMPTY_JSON = Buffer.from("{}");

/** image-spec manifest.md, "Guidance for an empty descriptor". */
function emptyConfig(): Descriptor {
  return {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: sha256(EMPTY_JSON),
    size: EMPTY_JSON.length,
    data: EMPTY_JSON.toString("base64"),
  };
}

/** An image's config that says nothing: what tools that know only images find in an attestation manifest (X027). */
function hollowConfig(layers: readonly Descriptor[]): Uint8Array {
  const config = {
    architecture: "unknown",
    os: "unknown",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  };
  return Buffer.from(JSON.stringify(config));
}

function statementLayers(
  packaged: PackagedImage,
  names: readonly string[],
  attestations: readonly Attestation[],
) {
  const { platform } = packaged.image;
  const subjects = imageSubjects(names, { platform, manifest: packaged.descriptor.digest });
  return attestations.map((attestation) => {
    const blob = smallBlob(statementBytes(attestation, subjects));
    const descriptor: Descriptor = {
      mediaType: IN_TOTO_MEDIA_TYPE,
      digest: blob.digest,
      size: blob.size,
      annotations: { "in-toto.io/predicate-type": attestation.predicateType },
    };
    return { blob, descriptor };
  });
}

function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** Where an index says which of its images an attestation manifest is about (X027). */
function inIndex(subject: Digest): Pick<Descriptor, "annotations" | "platform"> {
  return {
    annotations: {
      [indexReference.digest]: subject,
      [indexReference.type]: indexReference.attestation,
    },
    platform: { architecture: "unknown", os: "unknown" },
  };
}

/**
 * All that is claimed of an image as one manifest, a layer per statement; undefined when nothing is. `artifact`: with subject and an
 * empty config, as image-spec 1.1 has artifacts; else in the form of an image, which every registry and tool takes (X027).
 */
export function attestationManifest(
  packaged: PackagedImage,
  names: readonly string[],
  { artifact }: { readonly artifact: boolean },
): AttestationManifest | undefined {
  const { attestations = [] } = packaged.image;
  if (attestations.length === 0) return undefined;
  const layers = statementLayers(packaged, names, attestations);
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const config = smallBlob(artifact ? EMPTY_JSON : hollowConfig(descriptors));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    ...(artifact ? { artifactType: ARTIFACT_TYPE } : {}),
    config: artifact
      ? emptyConfig()
      : { mediaType: mediaTypes.ociConfig, digest: config.digest, size: config.size },
    layers: descriptors,
    ...(artifact ? { subject: plain(packaged.descriptor) } : {}),
  };
  const bytes = serializeManifest(manifest);
  const descriptor = {
    mediaType: mediaTypes.ociManifest,
    digest: sha256(bytes),
    size: bytes.length,
    ...inIndex(packaged.descriptor.digest),
  };
  return { descriptor, bytes, blobs: [config, ...layers.map(({ blob }) => blob)] };
}

/** A claim as a manifest of its own that names the image, which `referrers` finds (R010). */
export interface Referrer extends AttestationManifest {
  readonly artifactType: string;
  readonly annotations: Record<string, string>;
}

export function referrersOf(packaged: PackagedImage, names: readonly string[]): Referrer[] {
  const layers = statementLayers(packaged, names, packaged.image.attestations ?? []);
  return layers.map(({ blob, descriptor: layer }) => {
    const annotations = { ...layer.annotations };
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: IN_TOTO_MEDIA_TYPE,
      config: emptyConfig(),
      layers: [layer],
      subject: plain(packaged.descriptor),
      annotations,
    };
    const bytes = serializeManifest(manifest);
    const descriptor = { mediaType: mediaTypes.ociManifest, digest: sha256(bytes), size: bytes.length };
    return {
      descriptor,
      bytes,
      blobs: [smallBlob(EMPTY_JSON), blob],
      artifactType: IN_TOTO_MEDIA_TYPE,
      annotations,
    };
  });
}
