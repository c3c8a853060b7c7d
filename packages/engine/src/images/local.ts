import { type DiffId, type Digest, TsbuildError } from "@tsbuild/base";
import {
  formatReference,
  type HistoryEntry,
  type ImageConfig,
  parseImageConfig,
  parseManifest,
  parseReference,
  shownName,
} from "@tsbuild/oci";
import { type ImageRecord, repositoryDigests, type Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { ImageDetails, ImageStep, LocalImages, RemovedImage } from "./api.ts";
import { findImage, isNameless, recordsOf } from "./find.ts";
import { summaryOf } from "./list.ts";

/** Commands on the images that are here; those that move images are loaded when they are asked for. */
export function localImages(session: Session): LocalImages {
  const { store } = session;
  return {
    inspect: (image) => detailsOf(store, findImage(store, image).record),
    steps: (image) => stepsOf(store, findImage(store, image).record),
    anatomy: async (image, { signal }) => {
      const { imageAnatomy } = await import("./anatomy/index.ts");
      const { record } = findImage(store, image);
      return imageAnatomy(store, record, { steps: stepsOf(store, record), signal });
    },
    difference: async (image, other, { signal }) => {
      const { imageDifference } = await import("./anatomy/index.ts");
      const [from, to] = [findImage(store, other).record, findImage(store, image).record];
      return imageDifference(store, { from, to }, signal);
    },
    sbom: async (image, options) =>
      (await import("./sbom.ts")).imageSbom(session, findImage(store, image).record, options),
    tag: (image, name) => tag(store, image, name),
    remove: (image, { force }) => remove(store, image, force),
    tagsOf: (repository) => tagsOf(store, repository),
    pull: async (name, options) => (await import("./pull.ts")).pullImage(session, name, options),
    push: async (name, { signal }) => (await import("./transfer.ts")).pushImage(session, name, signal),
    save: async (images, options) => (await import("./transfer.ts")).saveImages(session, images, options),
    load: async (source, options) => (await import("./load.ts")).loadImages(session, source, options),
    export: async (image, options) => (await import("./transfer.ts")).exportImage(session, image, options),
    remote: async (name, { signal }) =>
      (await import("./create-index.ts")).remoteManifest(await session.registry(), name, signal),
    createIndex: async (request, { signal }) =>
      (await import("./create-index.ts")).createIndex(await session.registry(), request, signal),
    prune: (goes) =>
      store.images
        .list()
        .filter((record) => goes(summaryOf(store, record)))
        .map((record) => removeRecords(store, [record])),
  };
}

function configOf(store: Store, record: ImageRecord): ImageConfig {
  return parseImageConfig(store.blobs.read(record.config));
}

/** Bytes per layer, bottom first: of the tar where it is known, else of the blob. */
function layerSizes(store: Store, record: ImageRecord): readonly number[] {
  const { layers } = parseManifest(store.blobs.read(record.manifest));
  const unpacked = record.snapshot == null ? [] : store.snapshots.layers(record.snapshot);
  return layers.map((blob, at) => unpacked[at]?.sizeBytes ?? blob.size);
}

function detailsOf(store: Store, record: ImageRecord): ImageDetails {
  const config = configOf(store, record);
  const named = recordsOf(store, record.config).filter((one) => !isNameless(one));
  return {
    Id: record.config,
    RepoTags: named.filter(({ name }) => !name.includes("@")).map(({ name }) => shownName(name)),
    RepoDigests: repoDigests(store, record.config, named),
    Comment: config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    Size: layerSizes(store, record).reduce((sum, size) => sum + size, 0),
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: new Date(record.createdAt).toISOString() },
    Config: config.config ?? {},
  };
}

/** `debian@sha256:…`: where registries have it, of the repositories that it is still named after here, as docker tells it. */
function repoDigests(store: Store, image: Digest, named: readonly ImageRecord[]): string[] {
  const repositories = new Set(named.map(({ name }) => repositoryOf(parseReference(name))));
  return repositoryDigests(store, image)
    .filter((found) => repositories.has(repositoryOf(found)))
    .map((found) => shownName(formatReference(found)));
}

function repositoryOf({ host, repository }: { readonly host: string; readonly repository: string }): string {
  return `${host}/${repository}`;
}

function stepsOf(store: Store, record: ImageRecord): ImageStep[] {
  const config = configOf(store, record);
  const sizes = layerSizes(store, record);
  const { diff_ids: diffIds } = config.rootfs;
  const history = config.history ?? [];
  const withLayer = history.filter((entry) => entry.empty_layer !== true).length;
  // A history that does not tell of all layers is of no use for saying which instruction made which.
  const entries: readonly HistoryEntry[] = withLayer === diffIds.length ? history : diffIds.map(() => ({}));
  let layer = 0;
  const steps = entries.map((entry): ImageStep => {
    const at = entry.empty_layer === true ? undefined : layer++;
    return {
      created: entry.created,
      createdBy: entry.created_by ?? "",
      comment: entry.comment ?? "",
      author: entry.author,
      ...(at === undefined ? { sizeBytes: 0 } : layerOf(diffIds, sizes, at)),
    };
  });
  return steps.reverse();
}

function layerOf(diffIds: readonly DiffId[], sizes: readonly number[], at: number) {
  return { diffId: diffIds[at], sizeBytes: sizes[at] ?? 0 };
}

function tagsOf(store: Store, text: string): string[] {
  const wanted = repositoryOf(parseReference(text));
  const names = store.images
    .list()
    .filter(({ name }) => !name.includes("@") && repositoryOf(parseReference(name)) === wanted);
  if (names.length > 0) return names.map(({ name }) => shownName(name));
  throw new TsbuildError("TSB_RESOLVE", `no image of the repository ${text} here`);
}

function tag(store: Store, image: string, name: string): void {
  const reference = parseReference(name);
  if (reference.digest !== undefined) {
    throw new TsbuildError("TSB_USAGE", `${name}: a digest is no name that can be given`, {
      hint: "give NAME[:TAG]",
    });
  }
  const { createdAt: _, origin: from, ...record } = findImage(store, image).record;
  // No registry need know a name that was given here.
  const origin = from === "pulled" ? "imported" : from;
  store.images.put({ ...record, origin, name: formatReference(reference) });
}

function remove(store: Store, image: string, force: boolean): RemovedImage {
  const { record, by } = findImage(store, image);
  if (by === "name") return removeRecords(store, [record]);
  const all = recordsOf(store, record.config);
  if (all.length > 1 && !force) {
    throw new TsbuildError("TSB_USAGE", `the image ${image} has several names`, {
      hint: `remove one of ${all.map(({ name }) => shownName(name)).join(", ")}, or all with --force`,
    });
  }
  return removeRecords(store, all);
}

function removeRecords(store: Store, records: readonly ImageRecord[]): RemovedImage {
  for (const { name } of records) store.images.remove(name);
  const untagged = records.filter((record) => !isNameless(record)).map(({ name }) => shownName(name));
  const id: Digest | undefined = records[0]?.config;
  const isGone = id !== undefined && recordsOf(store, id).length === 0;
  return { untagged, ...(isGone ? { deleted: id } : {}) };
}
