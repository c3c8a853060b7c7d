import { type Digest, TsbuildError } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci/documents";
import { CACHE_MOUNT_TYPE, type CacheDocument, CREATED_AT, UNCOMPRESSED } from "./document.ts";
import type { OutgoingBlob } from "./ports.ts";

/** A document that says of its layers what elsewhere a manifest says: for places that keep blobs under names, without manifests. */
export function annotateLayers(
  document: CacheDocument,
  blobs: ReadonlyMap<Digest, OutgoingBlob>,
): CacheDocument {
  const layers = document.layers.map(({ blob, parent }) => {
    const descriptor = blobs.get(blob)?.descriptor;
    if (descriptor === undefined) throw new TsbuildError("TSB_EXPORT", `the layer ${blob} was not sent`);
    const { mediaType, size, annotations = {} } = descriptor;
    const { [UNCOMPRESSED]: diffID = "", [CREATED_AT]: createdAt = new Date(0).toISOString() } = annotations;
    return { blob, parent, annotations: { mediaType, diffID, size, createdAt } };
  });
  return { ...document, layers };
}

/** The descriptors that such a document has. */
export function annotatedBlobs({ layers, mounts }: CacheDocument): ReadonlyMap<Digest, Descriptor> {
  const blobs = new Map<Digest, Descriptor>();
  for (const { blob, annotations } of layers) {
    if (annotations === undefined) continue;
    const { mediaType, size, diffID } = annotations;
    blobs.set(blob, { mediaType, digest: blob, size, annotations: { [UNCOMPRESSED]: diffID } });
  }
  for (const { blob, size } of mounts) blobs.set(blob, { mediaType: CACHE_MOUNT_TYPE, digest: blob, size });
  return blobs;
}
