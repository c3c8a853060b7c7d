import { type Digest, sha256, TsbuildError } from "@tsbuild/base";
import {
  type Descriptor,
  INLINE_CACHE_KEY,
  type Index,
  isIndexType,
  type Manifest,
  mediaTypes,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "@tsbuild/oci/documents";
import {
  CACHE_CONFIG_TYPE,
  type CacheDocument,
  documentLimits,
  parseDocument,
  parseInlineRecords,
  serializeDocument,
  UNCOMPRESSED,
} from "./document.ts";
import type { ImportedCache, OutgoingBlob } from "./ports.ts";

/** How a cache with a manifest is written (V031). */
export interface ManifestForm {
  /** An image manifest, which every registry takes; else an index of blobs, as BuildKit wrote it before 0.21. */
  readonly imageManifest: boolean;
  readonly ociTypes: boolean;
}

export interface ManifestBytes {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface PackagedCache {
  readonly config: ManifestBytes;
  readonly manifest: ManifestBytes;
}

/** The manifest of a cache and its document. */
export function packageCache(
  document: CacheDocument,
  blobs: ReadonlyMap<Digest, OutgoingBlob>,
  form: ManifestForm,
): PackagedCache {
  const bytes = serializeDocument(document);
  const config = { mediaType: CACHE_CONFIG_TYPE, digest: sha256(bytes), bytes };
  const named = [...new Set([...document.layers, ...document.mounts].map(({ blob }) => blob))];
  const layers = named.flatMap((digest) => blobs.get(digest)?.descriptor ?? []);
  const descriptor = { mediaType: config.mediaType, digest: config.digest, size: bytes.length };
  const manifest = form.imageManifest
    ? asManifest(descriptor, layers)
    : asIndex(descriptor, layers, form.ociTypes);
  return { config, manifest };
}

function asManifest(config: Descriptor, layers: readonly Descriptor[]): ManifestBytes {
  const mediaType = mediaTypes.ociManifest;
  return encoded({ schemaVersion: 2, mediaType, config, layers: [...layers] });
}

function asIndex(config: Descriptor, layers: readonly Descriptor[], ociTypes: boolean): ManifestBytes {
  const mediaType = ociTypes ? mediaTypes.ociIndex : mediaTypes.dockerIndex;
  return encoded({ schemaVersion: 2, mediaType, manifests: [...layers, config] });
}

function encoded(value: (Manifest | Index) & { readonly mediaType: string }): ManifestBytes {
  const bytes = Buffer.from(JSON.stringify(value), "utf8");
  return { mediaType: value.mediaType, digest: sha256(bytes), bytes };
}

/** Where the documents behind a manifest are read from. */
export interface ManifestReader {
  /** A manifest that an index names; verified. */
  manifest(digest: Digest, signal: AbortSignal): Promise<Uint8Array>;
  blob: ImportedCache["blob"];
  readonly has?: ImportedCache["has"];
  readonly repository?: ImportedCache["repository"];
}

/** Platforms of one image: more is nonsense or an attack. */
const MAX_MANIFESTS = 64;

/** Reads what a manifest names: a cache, or an image (or one per platform) with a cache inside. Throws TSB_INTEGRITY. */
export async function openManifest(
  bytes: Uint8Array,
  reader: ManifestReader,
  signal: AbortSignal,
): Promise<ImportedCache[]> {
  const found = readManifest(bytes);
  if (found.config?.mediaType === CACHE_CONFIG_TYPE) {
    const document = parseDocument(await readSmall(reader, found.config, signal));
    return [{ ...reader, document, blobs: byDigest(found.layers) }];
  }
  if (found.config !== undefined) return openImage(found.config, found.layers, reader, signal);
  const caches: ImportedCache[] = [];
  for (const { digest } of found.manifests.slice(0, MAX_MANIFESTS)) {
    const one = readManifest(await reader.manifest(digest, signal));
    if (one.config !== undefined) caches.push(...(await openImage(one.config, one.layers, reader, signal)));
  }
  return caches;
}

interface Found {
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
  /** Of an index of images. */
  readonly manifests: readonly Descriptor[];
}

function readManifest(bytes: Uint8Array): Found {
  const { mediaType, manifests } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Partial<Index>;
  const isIndex = mediaType === undefined ? manifests !== undefined : isIndexType(mediaType);
  if (!isIndex) {
    const { config, layers } = parseManifest(bytes, "cache manifest");
    return { config, layers, manifests: [] };
  }
  const index = parseIndex(bytes, "cache manifest");
  const config = index.manifests.find((entry) => entry.mediaType === CACHE_CONFIG_TYPE);
  const others = index.manifests.filter((entry) => entry !== config);
  return config === undefined
    ? { config, layers: [], manifests: others }
    : { config, layers: others, manifests: [] };
}

function byDigest(layers: readonly Descriptor[]): ReadonlyMap<Digest, Descriptor> {
  return new Map(layers.map((layer) => [layer.digest, layer]));
}

/** An image with its records in its config (V030). */
async function openImage(
  config: Descriptor,
  layers: readonly Descriptor[],
  reader: ManifestReader,
  signal: AbortSignal,
): Promise<ImportedCache[]> {
  // Attestations and other artifacts are listed beside images.
  if (config.mediaType !== mediaTypes.ociConfig && config.mediaType !== mediaTypes.dockerConfig) return [];
  const image = parseImageConfig(await readSmall(reader, config, signal));
  const inline = image[INLINE_CACHE_KEY];
  const { diff_ids: diffIds } = image.rootfs;
  if (typeof inline !== "string" || diffIds.length !== layers.length) return [];
  const annotated = layers.map((layer, i) => ({
    ...layer,
    annotations: { ...layer.annotations, [UNCOMPRESSED]: diffIds[i] ?? "" },
  }));
  const document: CacheDocument = {
    records: parseInlineRecords(inline),
    layers: layers.map(({ digest }, i) => ({ blob: digest, parent: i - 1 })),
    mounts: [],
  };
  return [{ ...reader, document, blobs: byDigest(annotated) }];
}

/** A document, whole in memory and verified. */
async function readSmall(reader: ManifestReader, blob: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
  if (blob.size > documentLimits.bytes) {
    throw new TsbuildError("TSB_INTEGRITY", `the cache's document has ${blob.size} bytes; too many to read`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of reader.blob(blob, signal)) {
    size += chunk.length;
    if (size > blob.size) break;
    chunks.push(Buffer.from(chunk));
  }
  const bytes = Buffer.concat(chunks);
  const found = sha256(bytes);
  if (found === blob.digest) return bytes;
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `the cache's document has the digest ${found}, expected ${blob.digest}`,
  );
}
