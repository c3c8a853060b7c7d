import {
  type Digest,
  hostPlatform,
  type Platform,
  type SnapshotId,
  sha256,
  TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import type { CommittedImage } from "@tsbuild/export";
import {
  formatReference,
  type ImageConfig,
  parseImageConfig,
  parseManifest,
  parseReference,
  shownName,
} from "@tsbuild/oci";
import { type ImageRecord, rememberRepositoryDigest, type Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { MovedImage } from "./api.ts";
import { findImage, isNameless } from "./find.ts";
import { storedIndex } from "./stored-index.ts";

/** Fetches an image, whatever its name stands for here, unpacks it and puts it under its name. */
export async function pullImage(
  session: Session,
  text: string,
  options: { readonly platform?: Platform | undefined; readonly signal: AbortSignal },
): Promise<MovedImage> {
  const { store } = session;
  const { signal, platform = hostPlatform() } = options;
  const { digest, ...tagged } = parseReference(text);
  const name = formatReference(tagged.tag === undefined ? { ...tagged, digest } : tagged);
  const images = await session.images({ pull: true, signal });
  const image = await images.resolve(text, { platform });
  const vertex = sha256(`pull ${name}`) as string as VertexDigest;
  const snapshot = await images.unpack(image, { vertex, signal, ignoreCache: false, emit: () => undefined });
  const config = parseManifest(store.blobs.read(image.manifest)).config.digest;
  store.images.put({ name, manifest: image.manifest, config, snapshot, origin: "pulled" });
  rememberRepositoryDigest(store, config, { ...tagged, digest: image.manifest });
  return { name: shownName(name), manifest: image.manifest };
}

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
  const { attrs, images } = index ?? { attrs: {}, images: [await commit(record)] };
  const { manifest } = await exportResult({ type: "registry", attrs }, images, {
    store: session.store,
    signal,
    registry: (options) => session.registry(options),
  });
  return { name: shownName(record.name), manifest: manifest ?? record.manifest };
}

/** Writes images into one archive that docker load, podman load and skopeo read; `dest` undefined is standard output. */
export async function saveImages(
  session: Session,
  texts: readonly string[],
  options: { readonly dest?: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const { store } = session;
  const { signal, dest } = options;
  const images: CommittedImage[] = [];
  for (const { record, names } of wantedImages(store, texts)) {
    images.push(await committed(store, record, { names, signal }));
  }
  const { exportArchive } = await import("@tsbuild/export");
  await exportArchive(images, { store, signal, dest });
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

/** One entry per image, with the names that it was asked for by. */
function wantedImages(store: Store, texts: readonly string[]) {
  const wanted = new Map<Digest, { readonly record: ImageRecord; readonly names: string[] }>();
  for (const text of texts) {
    const { record, by } = findImage(store, text);
    const entry = wanted.get(record.manifest) ?? { record, names: [] };
    wanted.set(record.manifest, entry);
    // By ID an image is saved without a name, as docker does it.
    if (by === "name" && !entry.names.includes(record.name)) entry.names.push(record.name);
  }
  return [...wanted.values()];
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
