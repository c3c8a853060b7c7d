import { type Digest, formatPlatform, type Platform, type SnapshotId, TsbuildError } from "@tsbuild/base";
import type { CommittedImage, SavedImage } from "@tsbuild/export";
import { bestPlatform, type ImageConfig, parseImageConfig, parseManifest, shownName } from "@tsbuild/oci";
import type { ImageRecord, Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { MovedImage, SaveOptions } from "./api.ts";
import { findImage, isNameless } from "./find.ts";
import { storedIndex } from "./stored-index.ts";

/** Sends an image to the registry of a name that it has here. */
export async function pushImage(session: Session, text: string, signal: AbortSignal): Promise<MovedImage> {
  const { record, by } = findImage(session.store, text);
  if (by === "id") {
    throw new TsbuildError("TSB_USAGE", `${text} is an ID: what is pushed needs a name`, {
      hint: `tsbuild tag ${text} REGISTRY/NAME:TAG`,
    });
  }
  const { exportResult } = await import("@tsbuild/export");
  const commit = (one: ImageRecord) => committed(session.store, one, { names: [record.name], signal });
  const index = await storedIndex(session.store, record, commit);
  const { attrs, images, original } = index ?? { attrs: {}, images: [await commit(record)] };
  const { manifest } = await exportResult({ type: "registry", attrs }, images, {
    store: session.store,
    signal,
    original,
    registry: (options) => session.registry(options),
  });
  return { name: shownName(record.name), manifest: manifest ?? record.manifest };
}

/** Writes images into one archive that docker load, podman load and skopeo read; `dest` undefined is standard output. */
export async function saveImages(
  session: Session,
  texts: readonly string[],
  options: SaveOptions,
): Promise<void> {
  const { store } = session;
  const { signal, dest, platform } = options;
  const saved: SavedImage[] = [];
  for (const { record, names } of wantedImages(store, texts, platform)) {
    const commit = (one: ImageRecord) => committed(store, one, { names, signal });
    saved.push((await storedIndex(store, record, commit)) ?? (await savedAlone(record, commit)));
  }
  const { exportArchive } = await import("@tsbuild/export");
  await exportArchive(saved, { store, signal, dest });
}

async function savedAlone(
  record: ImageRecord,
  commit: (record: ImageRecord) => Promise<CommittedImage>,
): Promise<SavedImage> {
  return { attrs: { "oci-mediatypes": "false" }, images: [await commit(record)] };
}

/** Writes the root filesystem of an image as a tar; `dest` undefined is standard output. */
export async function exportImage(
  session: Session,
  text: string,
  { dest, signal }: { readonly dest?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const { store } = session;
  const { record } = findImage(store, text);
  const { exportRootfs } = await import("@tsbuild/export");
  await exportRootfs(unpackedSnapshot(record), { store, signal, dest });
}

function unpackedSnapshot(record: ImageRecord): SnapshotId | null {
  if (record.snapshot !== undefined) return record.snapshot;
  const word = isNameless(record) ? record.config : shownName(record.name);
  throw new TsbuildError("TSB_STORE", `the layers of ${word} are not here`, { hint: `tsbuild pull ${word}` });
}

/**
 * The manifest that an image came with, if it did and its layers are kept as they came. That of an image made here, or of an archive without
 * manifests, says only which layers there are.
 */
function manifestAsItCame(store: Store, record: ImageRecord, config: ImageConfig): Uint8Array | undefined {
  if (record.origin === "built") return undefined;
  const bytes = store.blobs.read(record.manifest);
  if (record.origin === "pulled") return bytes;
  const asTheyCame = parseManifest(bytes).layers.every(
    ({ digest }, at) =>
      store.blobs.has(digest) &&
      store.blobs.compressed(config.rootfs.diff_ids[at]!, "loaded")?.digest !== digest,
  );
  return asTheyCame ? bytes : undefined;
}

/** One entry per image or index, with the names that it was asked for by. */
function wantedImages(store: Store, texts: readonly string[], platform: Platform | undefined) {
  const wanted = new Map<Digest, { readonly record: ImageRecord; readonly names: string[] }>();
  for (const text of texts) {
    const { record: found, by } = findImage(store, text);
    const record = recordFor(store, found, { text, by, platform });
    const digest = record.index?.digest ?? record.manifest;
    const entry = wanted.get(digest) ?? { record, names: [] };
    wanted.set(digest, entry);
    // By ID an image is saved without a name, as docker does it.
    if (by === "name" && !entry.names.includes(record.name)) entry.names.push(record.name);
  }
  return [...wanted.values()];
}

/** The whole index of a name or of its own digest; one image for a platform, and for an ID, which is one image's. */
function recordFor(
  store: Store,
  record: ImageRecord,
  asked: { readonly text: string; readonly by: "name" | "id"; readonly platform: Platform | undefined },
): ImageRecord {
  const { text, by, platform } = asked;
  if (platform !== undefined) return variantFor(store, record, platform);
  const isIndex = by === "name" || record.index?.digest.startsWith(withAlgorithm(text)) === true;
  return isIndex ? record : { ...record, index: undefined };
}

function withAlgorithm(text: string): string {
  return text.startsWith("sha256:") ? text : `sha256:${text}`;
}

function variantFor(store: Store, record: ImageRecord, platform: Platform): ImageRecord {
  const variants = record.index?.variants ?? [record];
  const platforms = variants.map(({ config }) => platformOf(parseImageConfig(store.blobs.read(config))));
  const at = bestPlatform(platforms, platform);
  if (at !== undefined) return { ...record, ...variants[at], index: undefined };
  throw new TsbuildError(
    "TSB_RESOLVE",
    `${shownName(record.name)} is not here for ${formatPlatform(platform)}`,
    { hint: `it is here for ${platforms.map(formatPlatform).join(", ")}` },
  );
}

/** An image of the store in the form that exporters take. Its config goes out byte for byte, and so does a pulled manifest. */
async function committed(
  store: Store,
  record: ImageRecord,
  { names, signal }: { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<CommittedImage> {
  const snapshot = unpackedSnapshot(record);
  const { measureLayers } = await import("@tsbuild/export");
  const configBytes = store.blobs.read(record.config);
  const config = parseImageConfig(configBytes);
  const manifest = manifestAsItCame(store, record, config);
  const layers = await measureLayers(store, { snapshot, signal });
  return {
    imageId: record.config,
    manifest: record.manifest,
    config,
    snapshot,
    names,
    platform: platformOf(config),
    layers,
    baseLayers: layers.length,
    original: { config: configBytes, manifest },
  };
}

function platformOf({ os, architecture, variant }: ImageConfig): Platform {
  return { os, architecture, ...(variant ? { variant } : {}) } as Platform;
}
