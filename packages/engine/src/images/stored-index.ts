/** A name that stands for an index, in the form that exporters take: so that a push or an archive has all of it. */
import type { Digest } from "@tsbuild/base";
import type { Attestation, AttestationManifest, CommittedImage, SavedImage } from "@tsbuild/export";
import {
  type Descriptor,
  type Index,
  imageManifests,
  indexReference,
  type LayoutBlob,
  mediaTypes,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
} from "@tsbuild/oci";
import type { ImageRecord, Store } from "@tsbuild/store";

function option(scope: string, platform: Descriptor["platform"], key: string): string {
  const { os, architecture, variant } = platform ?? { os: "", architecture: "", variant: undefined };
  const name = [os, architecture, ...(variant ? [variant] : [])].join("/");
  return platform === undefined ? `annotation-${scope}.${key}` : `annotation-${scope}[${name}].${key}`;
}

function annotationsIn(store: Store, index: Index): Record<string, string> {
  const own = Object.entries(index.annotations ?? {}).map(([key, value]) => [
    option("index", undefined, key),
    value,
  ]);
  const images = imageManifests(index);
  const listed = images.flatMap(({ platform, annotations = {} }) =>
    Object.entries(annotations).map(([key, value]) => [option("manifest-descriptor", platform, key), value]),
  );
  const inside = images.flatMap(({ digest, platform }) =>
    Object.entries(parseManifest(store.blobs.read(digest)).annotations ?? {}).map(([key, value]) => [
      option("manifest", platform, key),
      value,
    ]),
  );
  return Object.fromEntries([...own, ...listed, ...inside]) as Record<string, string>;
}

function isAttestation(annotations: Descriptor["annotations"]): boolean {
  return annotations?.[indexReference.type] === indexReference.attestation;
}

/** A statement's predicate as it is; its subjects are those of the stored manifest, and are filled in anew where it goes. */
function attestationOf(bytes: Uint8Array): Attestation {
  const { predicateType, predicate } = JSON.parse(Buffer.from(bytes).toString()) as {
    readonly predicateType: string;
    readonly predicate: unknown;
  };
  return { predicateType, predicate, fileName: "attestation.json" };
}

function attestationsOf(store: Store, index: Index, image: Digest): Attestation[] {
  const found = index.manifests.filter(
    ({ annotations, digest }) =>
      isAttestation(annotations) && annotations?.[indexReference.digest] === image && store.blobs.has(digest),
  );
  return found.flatMap(({ digest }) =>
    parseManifest(store.blobs.read(digest)).layers.map((layer) =>
      attestationOf(store.blobs.read(layer.digest)),
    ),
  );
}

function blobAt(store: Store, { digest, size }: Descriptor): LayoutBlob {
  return { digest, size, path: store.blobs.path(digest) };
}

/** A manifest that is no image, with what it names; undefined when not all of it is here. */
function otherManifest(store: Store, descriptor: Descriptor): AttestationManifest | undefined {
  if (!store.blobs.has(descriptor.digest)) return undefined;
  const bytes = store.blobs.read(descriptor.digest);
  const document = parseManifestOrIndex(bytes, `manifest ${descriptor.digest}`);
  if (document.kind === "index") return undefined;
  const parts = [document.manifest.config, ...document.manifest.layers];
  if (!parts.every(({ digest }) => store.blobs.has(digest))) return undefined;
  return { descriptor, bytes, blobs: parts.map((part) => blobAt(store, part)) };
}

/** An index that came from elsewhere, when everything that it lists is here as it came. */
function indexAsItCame(
  store: Store,
  bytes: Uint8Array,
  images: readonly CommittedImage[],
): SavedImage["original"] {
  const index = parseIndex(bytes);
  const listed = imageManifests(index);
  const isWhole = images.every(
    ({ original }) =>
      original?.manifest !== undefined &&
      parseManifest(original.manifest).layers.every(({ digest }) => store.blobs.has(digest)),
  );
  if (!isWhole || listed.length !== images.length) return undefined;
  const rest = index.manifests.filter((entry) => !listed.includes(entry));
  const others = rest.flatMap((entry) => otherManifest(store, entry) ?? []);
  return others.length === rest.length ? { bytes, others } : undefined;
}

/**
 * `committed` makes one image of the index into what exporters take. An index that came from elsewhere goes out byte for byte; of one that
 * was made here, what is not in its images (annotations, as options of an output that give them anew, and attestations) is made anew.
 */
export async function storedIndex(
  store: Store,
  record: ImageRecord,
  committed: (variant: ImageRecord) => Promise<CommittedImage>,
): Promise<SavedImage | undefined> {
  if (record.index === undefined) return undefined;
  const bytes = store.blobs.read(record.index.digest);
  const index = parseIndex(bytes);
  const images: CommittedImage[] = [];
  for (const variant of record.index.variants) {
    const image = await committed({ ...record, ...variant });
    images.push({ ...image, attestations: attestationsOf(store, index, variant.manifest) });
  }
  const original = record.origin === "built" ? undefined : indexAsItCame(store, bytes, images);
  const types = { "oci-mediatypes": String(index.mediaType !== mediaTypes.dockerIndex) };
  return { attrs: { ...types, ...(original ? {} : annotationsIn(store, index)) }, images, original };
}
