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
  parseManifest,
  parseManifestOrIndex,
  parseReference,
  selectPlatform,
  serializeIndex,
  serializeManifest,
} from "@tsbuild/oci";
import { unpackChain } from "@tsbuild/ops/unpack-chain";
import type { ImageVariant, Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { LoadedImage, LoadOptions } from "./api.ts";
import { type ArchivedFile, type ReadArchive, readImageArchive } from "./archive.ts";
import { indexOfSome, mainPlace, othersIn } from "./index-parts.ts";

/** An image of an archive: its documents are blobs of the store. */
interface FoundImage {
  readonly manifest: Digest;
  readonly document: Manifest;
  readonly names: readonly string[];
  /** The manifest is the image's own, not made of an archive that has none. */
  readonly isOriginal: boolean;
  /** Of several, this one is what the name is for this machine. */
  readonly index?: FoundIndex | undefined;
}

interface FoundIndex {
  readonly digest: Digest;
  readonly variants: readonly Pick<FoundImage, "manifest" | "document">[];
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
  const found = imagesIn(store, archive, options.platform);
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
  const names = options.name === undefined ? image.names : [formatReference(parseReference(options.name))];
  const label = names[0] ?? image.document.config.digest;
  const variants = [];
  for (const variant of image.index?.variants ?? [image])
    variants.push(await unpackVariant(store, { ...image, ...variant, label }, options.signal));
  const main = variants.find(({ manifest }) => manifest === image.manifest)!;
  const index = image.index === undefined ? undefined : { digest: image.index.digest, variants };
  for (const name of names.length === 0 ? [formatReference(parseReference(main.config))] : names)
    store.images.put({ name, ...main, origin: "imported", index });
  return { imageId: main.config, names: names.map((name) => familiarName(parseReference(name))) };
}

async function unpackVariant(
  store: Store,
  image: FoundImage & { readonly label: string },
  signal: AbortSignal,
): Promise<ImageVariant> {
  const { document, manifest, label } = image;
  const imageId = document.config.digest;
  const config = readConfig(store, document);
  const layers = document.layers.map((blob, at) => {
    if (!store.blobs.has(blob.digest)) throw refuse(`the layer ${blob.digest} of ${imageId} is not in it`);
    return { blob, diffId: config.rootfs.diff_ids[at]! };
  });
  const chain = {
    name: `the archive's image ${label}`,
    layers,
    remembered: image.isOriginal ? ("pulled" as const) : ("loaded" as const),
    blob: (blob: Descriptor) => createReadStream(store.blobs.path(blob.digest)),
  };
  const env = { store, fs: nativeFs, userxattr: inUserNamespace() };
  const vertex = sha256(`load ${imageId}`) as string as VertexDigest;
  const context = { vertex, signal, ignoreCache: false, emit: () => undefined };
  const snapshot = await unpackChain(env, chain, context);
  // Also of layers that were here before: the form they had in the archive is not one to push them in.
  if (!image.isOriginal)
    for (const { diffId, blob } of layers) store.blobs.setCompressed(diffId, "loaded", blob);
  return { manifest, config: imageId, snapshot };
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
function imagesIn(store: Store, archive: ReadArchive, platform: Platform | undefined): FoundImage[] {
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

/** One image or index per digest, with all the names that entries give it; of an index the image for `platform` alone, if one is given. */
function fromLayout(store: Store, index: Index, platform: Platform | undefined): FoundImage[] {
  const found = new Map<Digest, FoundImage>();
  const absent: string[] = [];
  for (const entry of imageManifests(index)) {
    const resolved =
      wholeEntry(store, entry, platform) ?? resolveEntry(store, entry, platform ?? hostPlatform());
    if (resolved === undefined) {
      absent.push(nameOf(entry) ?? entry.digest);
      continue;
    }
    const name = nameOf(entry);
    const digest = resolved.index?.digest ?? resolved.manifest;
    const names = [...(found.get(digest)?.names ?? []), ...(name === undefined ? [] : [name])];
    found.set(digest, { ...resolved, names: [...new Set(names)], isOriginal: true });
  }
  if (found.size === 0 && absent.length > 0) {
    throw refuse(
      `${absent.join(", ")}: no image for ${formatPlatform(platform ?? hostPlatform())}`,
      "name another with --platform",
    );
  }
  return [...found.values()];
}

const MAX_DEPTH = 4;

type Resolved = Pick<FoundImage, "manifest" | "document" | "index">;

function resolveEntry(store: Store, entry: Descriptor, platform: Platform): Resolved | undefined {
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

/**
 * All images of an index that are in the archive: who saves one may leave some out, and what is claimed of them. Undefined for what is no
 * index, or has one image here and nothing else.
 */
function wholeEntry(store: Store, entry: Descriptor, platform: Platform | undefined): Resolved | undefined {
  const bytes = readSmall(store, entry.digest);
  const document = parseManifestOrIndex(bytes, `manifest ${entry.digest}`);
  if (platform !== undefined || document.kind === "manifest") return undefined;
  const { index } = document;
  const listed = imageManifests(index);
  const here = listed.filter(({ digest }) => isWhole(store, digest));
  const isAll =
    here.length === listed.length && othersIn(index).every(({ digest }) => isWhole(store, digest));
  if (here.length === 0 || (here.length === 1 && !(isAll && index.manifests.length > 1))) {
    const [only] = here;
    return only && resolveEntry(store, only, hostPlatform());
  }
  const variants = here.map(({ digest }) => ({ manifest: digest, document: manifestAt(store, digest) }));
  const kept = isAll ? entry.digest : store.blobs.write(serializeIndex(indexOfSome(index, here)));
  const main = variants[mainPlace(here)]!;
  return { ...main, index: { digest: kept, variants } };
}

function manifestAt(store: Store, digest: Digest): Manifest {
  return parseManifest(readSmall(store, digest), `manifest ${digest}`);
}

/** Is a manifest here, with all that it names? An index in an index is taken for nothing: no tool writes such archives. */
function isWhole(store: Store, digest: Digest): boolean {
  if (!store.blobs.has(digest)) return false;
  const document = parseManifestOrIndex(readSmall(store, digest), `manifest ${digest}`);
  if (document.kind === "index") return false;
  const { config, layers } = document.manifest;
  return [config, ...layers].every((part) => store.blobs.has(part.digest));
}
