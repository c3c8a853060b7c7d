import { parseImageConfig, parseReference, shownName } from "@tsbuild/oci/documents";
import { type ImageRecord, repositoryDigests, type Store } from "@tsbuild/store";
import type { ImageSummary } from "../api.ts";

/** One entry per name. An image built without one is stored under its ID. */
export function listImages(store: Store): ImageSummary[] {
  return store.images.list().map((image) => summaryOf(store, image));
}

export function summaryOf(store: Store, image: ImageRecord): ImageSummary {
  return {
    ...namesOf(store, image),
    imageId: image.config,
    manifest: image.index?.digest ?? image.manifest,
    createdAt: createdAt(store, image),
    sizeBytes: sizeOf(store, image),
  };
}

/** As its config says, as docker lists it; of one that does not say, when it came here. */
function createdAt(store: Store, { config, createdAt }: ImageRecord): number {
  const { created } = parseImageConfig(store.blobs.read(config));
  const time = Date.parse(created ?? "");
  return Number.isNaN(time) ? createdAt : time;
}

function sizeOf(store: Store, { snapshot }: ImageRecord): number | undefined {
  if (snapshot === undefined) return undefined;
  const layers = snapshot === null ? [] : store.snapshots.layers(snapshot);
  return layers.reduce((sum, layer) => sum + (layer.sizeBytes ?? 0), 0);
}

type Names = Pick<ImageSummary, "name" | "repository" | "tag" | "digest">;

/** As people write them: without `docker.io/library/`. */
function namesOf(store: Store, { name, config }: ImageRecord): Names {
  const familiar = shownName(name);
  if (familiar === config)
    return { name: "<none>", repository: undefined, tag: undefined, digest: undefined };
  const { host, repository, tag, digest } = parseReference(name);
  const pulled = repositoryDigests(store, config).find(
    (one) => one.host === host && one.repository === repository,
  );
  const known = digest ?? pulled?.digest;
  return { name: familiar, repository: shownName(`${host}/${repository}`), tag, digest: known };
}
