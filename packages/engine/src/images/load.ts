import { createReadStream } from "node:fs";
import {
  type Digest,
  formatPlatform,
  hostPlatform,
  limits,
  type Platform,
  sha256,
  TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import {
  type Descriptor,
  type DockerArchiveImage,
  familiarName,
  formatReference,
  type ImageConfig,
  type Index,
  imageManifests,
  type Manifest,
  mediaTypes,
  parseDockerArchive,
  parseImageConfig,
  parseIndex,
  parseManifestOrIndex,
  parseReference,
  selectPlatform,
  serializeManifest,
} from "@tsbuild/oci";
import { unpackChain } from "@tsbuild/ops/unpack-chain";
import type { Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { LoadedImage, LoadOptions } from "./api.ts";
import { type ArchivedFile, type ReadArchive, readImageArchive } from "./archive.ts";

/** An image of an archive: its documents are blobs of the store. */
interface FoundImage {
  readonly manifest: Digest;
  readonly document: Manifest;
  readonly names: readonly string[];
  /** The manifest is the image's own, not made of an archive that has none. */
  readonly isOriginal: boolean;
}

function refuse(why: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive cannot be loaded: ${why}`, { hint });
}

/** Reads all images of an archive into the store, and puts them under their names; one without a name is known by its ID. */
export async function loadImages(
  session: Session,
  source: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const { store } = session;
  const archive = await readImageArchive(store, source, options.signal);
  const found = imagesIn(store, archive, options.platform ?? hostPlatform());
  if (found.length === 0) throw refuse("there is no image in it");
  if (options.name !== undefined && found.length > 1) {
    throw new TsbuildError(
      "TSB_USAGE",
      `--name is for an archive of one image; this one has ${found.length}`,
    );
  }
  const loaded: LoadedImage[] = [];
  for (const image of found) loaded.push(await loadImage(session, image, options));
  return loaded;
}

/** The images of an archive, whose blobs are in the store and whose layers are not unpacked. */
export async function readArchivedImages(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  { platform, signal }: { readonly platform: Platform; readonly signal: AbortSignal },
): Promise<
  readonly { readonly id: Digest; readonly config: ImageConfig; readonly blobs: readonly Digest[] }[]
> {
  const archive = await readImageArchive(store, source, signal);
  return imagesIn(store, archive, platform).map(({ document }) => {
    const blobs = document.layers.map(({ digest }) => digest);
    const missing = blobs.find((digest) => !store.blobs.has(digest));
    if (missing !== undefined) throw refuse(`the layer ${missing} is not in it`);
    return { id: document.config.digest, config: readConfig(store, document), blobs };
  });
}

async function loadImage(session: Session, image: FoundImage, options: LoadOptions): Promise<LoadedImage> {
  const { store } = session;
  const { document, manifest } = image;
  const imageId = document.config.digest;
  const names = options.name === undefined ? image.names : [formatReference(parseReference(options.name))];
  const config = readConfig(store, document);
  const layers = document.layers.map((blob, at) => {
    if (!store.blobs.has(blob.digest)) throw refuse(`the layer ${blob.digest} of ${imageId} is not in it`);
    return { blob, diffId: config.rootfs.diff_ids[at]! };
  });
  const chain = {
    name: `the archive's image ${names[0] ?? imageId}`,
    layers,
    remembered: image.isOriginal ? ("pulled" as const) : ("loaded" as const),
    blob: (blob: Descriptor) => createReadStream(store.blobs.path(blob.digest)),
  };
  const env = { store, fs: nativeFs, userxattr: inUserNamespace() };
  const vertex = sha256(`load ${imageId}`) as string as VertexDigest;
  const { signal } = options;
  const snapshot = await unpackChain(env, chain, {
    vertex,
    signal,
    ignoreCache: false,
    emit: () => undefined,
  });
  for (const name of names.length === 0 ? [formatReference(parseReference(imageId))] : names)
    store.images.put({ name, manifest, config: imageId, snapshot, origin: "imported" });
  return { imageId, names: names.map((name) => familiarName(parseReference(name))) };
}

function readConfig(store: Store, { config, layers }: Manifest): ImageConfig {
  const parsed = parseImageConfig(readSmall(store, config.digest), `config ${config.digest}`);
  const { diff_ids: diffIds } = parsed.rootfs;
  if (diffIds.length === layers.length) return parsed;
  throw refuse(`an image has ${layers.length} layers, and its config ${diffIds.length}`);
}

function readSmall(store: Store, digest: Digest): Uint8Array {
  const size = store.blobs.size(digest);
  if (size === undefined) throw refuse(`it names ${digest}, which is not in it`);
  if (size > limits.manifestBytes) throw refuse(`${digest} is longer than ${limits.manifestBytes} bytes`);
  return store.blobs.read(digest);
}

/**
 * An archive may describe its images twice, as a layout and in docker's own list. The layout has the manifests byte for byte; names that it
 * leaves out are taken from the list.
 */
function imagesIn(store: Store, archive: ReadArchive, platform: Platform): FoundImage[] {
  const index = archive.documents.get("index.json");
  const list = archive.documents.get("manifest.json");
  const listed =
    list === undefined ? [] : parseDockerArchive(list).map((image) => fromList(store, archive, image));
  if (index === undefined) return listed;
  const images = fromLayout(store, parseIndex(index, "index.json"), platform);
  return images.map((image) => {
    const same = listed.find(({ document }) => document.config.digest === image.document.config.digest);
    const names = image.names.length > 0 ? image.names : (same?.names ?? []);
    // Archives for docker load have plain layers because they are read at once: nobody wants to push them so.
    return { ...image, names, isOriginal: same === undefined || image.document.layers.some(isCompressed) };
  });
}

function isCompressed({ mediaType }: Descriptor): boolean {
  return /[+.](gzip|zstd)$/.test(mediaType);
}

function fromList(store: Store, archive: ReadArchive, image: DockerArchiveImage): FoundImage {
  const file = (path: string): ArchivedFile => {
    const found = archive.file(path);
    if (found === undefined) throw refuse(`manifest.json names ${JSON.stringify(path)}, which is not in it`);
    return found;
  };
  const document: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerManifest,
    config: { mediaType: mediaTypes.dockerConfig, ...file(image.config) },
    // What they are compressed with is told by their bytes, here as everywhere.
    layers: image.layers.map((path) => ({ mediaType: mediaTypes.dockerLayer, ...file(path) })),
  };
  const names = image.repoTags.map((name) => formatReference(parseReference(name)));
  return { manifest: store.blobs.write(serializeManifest(document)), document, names, isOriginal: false };
}

const REF_NAME = "org.opencontainers.image.ref.name";
const IMAGE_NAME = "io.containerd.image.name";

/** A tag alone (`latest`) names no repository. */
function nameOf({ annotations }: Descriptor): string | undefined {
  const name = annotations?.[IMAGE_NAME] ?? annotations?.[REF_NAME];
  return name === undefined || !/[:/]/.test(name) ? undefined : formatReference(parseReference(name));
}

/** One image per digest, with all the names that entries give it. */
function fromLayout(store: Store, index: Index, platform: Platform): FoundImage[] {
  const found = new Map<Digest, FoundImage>();
  const absent: string[] = [];
  for (const entry of imageManifests(index)) {
    const resolved = resolveEntry(store, entry, platform);
    if (resolved === undefined) {
      absent.push(nameOf(entry) ?? entry.digest);
      continue;
    }
    const name = nameOf(entry);
    const names = [...(found.get(resolved.manifest)?.names ?? []), ...(name === undefined ? [] : [name])];
    found.set(resolved.manifest, { ...resolved, names: [...new Set(names)], isOriginal: true });
  }
  if (found.size === 0 && absent.length > 0) {
    throw refuse(
      `${absent.join(", ")}: no image for ${formatPlatform(platform)}`,
      "name another with --platform",
    );
  }
  return [...found.values()];
}

const MAX_DEPTH = 4;

function resolveEntry(store: Store, entry: Descriptor, platform: Platform) {
  let { digest } = entry;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const document = parseManifestOrIndex(readSmall(store, digest), `manifest ${digest}`);
    if (document.kind === "manifest") return { manifest: digest, document: document.manifest };
    const picked = selectPlatform(document.index, platform);
    if (picked === undefined) return undefined;
    digest = picked.digest;
  }
  throw refuse("its indexes are nested too deep");
}
