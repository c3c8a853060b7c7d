/** A name that stands for an index, in the form that exporters take: so that a push sends all of it. */
import type { Digest } from "@tsbuild/base";
import type { Attestation, CommittedImage } from "@tsbuild/export";
import { type Descriptor, type Index, imageManifests, parseIndex, parseManifest } from "@tsbuild/oci";
import type { ImageRecord, Store } from "@tsbuild/store";

/** What of an index is not in its images: annotations, as the options of an output that give them anew, and attestations. */
export interface StoredIndex {
  readonly attrs: Readonly<Record<string, string>>;
  readonly images: readonly CommittedImage[];
}

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
  return annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
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
    ({ annotations }) => isAttestation(annotations) && annotations?.["vnd.docker.reference.digest"] === image,
  );
  return found.flatMap(({ digest }) =>
    parseManifest(store.blobs.read(digest)).layers.map((layer) =>
      attestationOf(store.blobs.read(layer.digest)),
    ),
  );
}

/** `committed` makes one image of the index into what exporters take. */
export async function storedIndex(
  store: Store,
  record: ImageRecord,
  committed: (variant: ImageRecord) => Promise<CommittedImage>,
): Promise<StoredIndex | undefined> {
  if (record.index === undefined) return undefined;
  const index = parseIndex(store.blobs.read(record.index.digest));
  const images: CommittedImage[] = [];
  for (const variant of record.index.variants) {
    const image = await committed({ ...record, ...variant });
    images.push({ ...image, attestations: attestationsOf(store, index, variant.manifest) });
  }
  return { attrs: annotationsIn(store, index), images };
}
