import type { Digest } from "@tsbuild/base";
import {
  compressionOf,
  layerMediaType,
  type Manifest,
  mediaTypes,
  serializeImageConfig,
  serializeManifest,
} from "@tsbuild/oci";
import { type RemoteLayer, rememberSource, type Store } from "@tsbuild/store";
import { asCommitted, completeConfig } from "./commit.ts";
import type { CommitRequest, CommittedImage } from "./types.ts";

/** How the layers go out, unless an output has wishes: as they are. Their sizes unpacked are not known. */
function manifestOf(config: { digest: Digest; size: number }, layers: readonly RemoteLayer[]): Manifest {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, ...config },
    layers: layers.map(({ blob: { digest, size, mediaType } }) => ({
      mediaType: layerMediaType(compressionOf(mediaType)),
      digest,
      size,
    })),
  };
}

/**
 * Makes an image of layers that are somewhere else and stay there (V021): config and manifest, and no layer is fetched. Its names come later
 * (`registerImage`): they mean something only when a registry has what they stand for.
 */
export function commitRemote(
  store: Store,
  request: CommitRequest,
  layers: readonly RemoteLayer[],
): CommittedImage {
  for (const { blob, repository } of layers)
    if (repository !== undefined) rememberSource(store, { ...repository, digest: blob.digest });
  const config = completeConfig(request, layers);
  const bytes = serializeImageConfig(config);
  const imageId = store.blobs.write(bytes);
  const manifest = store.blobs.write(
    serializeManifest(manifestOf({ digest: imageId, size: bytes.length }, layers)),
  );
  return {
    ...asCommitted(request, { imageId, manifest, config, layers: [] }),
    remote: layers,
    baseLayers: Math.min(request.config.rootfs.diff_ids.length, layers.length),
  };
}
