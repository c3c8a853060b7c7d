import { type Digest, formatPlatform, type Platform, TsbuildError } from "@tsbuild/base";
import {
  type ImageConfig,
  isIndexType,
  type Manifest,
  parseImageConfig,
  parseIndex,
  parseManifest,
  selectPlatform,
} from "@tsbuild/oci/documents";
import type { Store } from "@tsbuild/store";
import { withPlace } from "./damage.ts";
import type { Origin, OriginManifest } from "./origin.ts";

interface FetchRequest {
  readonly store: Store;
  readonly origin: Origin;
  readonly digest: Digest | undefined;
  readonly platform: Platform;
  readonly signal: AbortSignal | undefined;
}

export interface FetchedImage {
  /** What the name stands for: an index, or the manifest. */
  readonly root: Digest;
  readonly manifest: Digest;
  readonly document: Manifest;
  readonly config: ImageConfig;
}

// An index may list indexes; deeper than this it is nonsense or an attack.
const MAX_DEPTH = 4;

function parseJson(bytes: Uint8Array): { readonly mediaType?: unknown; readonly manifests?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // The strict parser below gives the error.
    return {};
  }
}

/** Does this document list manifests instead of being one? */
export function isIndex(bytes: Uint8Array): boolean {
  const { mediaType, manifests } = parseJson(bytes);
  return typeof mediaType === "string" ? isIndexType(mediaType) : Array.isArray(manifests);
}

function noPlatform(request: FetchRequest, bytes: Uint8Array): TsbuildError {
  const offered = parseIndex(bytes)
    .manifests.map((entry) => entry.platform)
    .filter((platform) => platform !== undefined && platform.os !== "unknown")
    .map((platform) => formatPlatform(platform as Platform));
  return new TsbuildError(
    "TSB_RESOLVE",
    `${request.origin.name} has no image for ${formatPlatform(request.platform)}`,
    {
      hint: offered.length > 0 ? `it has ${[...new Set(offered)].join(", ")}` : undefined,
    },
  );
}

/** Follows indexes to the manifest of the platform (R005). */
async function platformManifest(request: FetchRequest): Promise<OriginManifest & { readonly root: Digest }> {
  let current = await request.origin.manifest(request.digest, request.signal);
  const root = current.digest;
  for (let depth = 0; isIndex(current.bytes); depth++) {
    const entry = selectPlatform(parseIndex(current.bytes), request.platform);
    if (entry === undefined || depth === MAX_DEPTH) throw noPlatform(request, current.bytes);
    current = await request.origin.manifest(entry.digest, request.signal);
  }
  return { ...current, root };
}

/** Gets manifest and config of an image into the store's blobs; no layer. */
export async function fetchImage(request: FetchRequest): Promise<FetchedImage> {
  const { store, origin, signal } = request;
  const { bytes, digest, root } = await platformManifest(request);
  const document = parseManifest(bytes);
  if (!store.blobs.has(document.config.digest)) {
    const { digest: expected, size } = document.config;
    try {
      await store.blobs.ingest(origin.blob(document.config, signal), { digest: expected, size });
    } catch (error) {
      throw withPlace(error, `${origin.name}: config`);
    }
  }
  const config = parseImageConfig(store.blobs.read(document.config.digest));
  if (config.rootfs.diff_ids.length !== document.layers.length) {
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `${origin.name}: the manifest lists ${document.layers.length} layers, the config ${config.rootfs.diff_ids.length}`,
    );
  }
  const written = store.blobs.write(bytes);
  if (written !== digest)
    throw new TsbuildError("TSB_INTEGRITY", `${origin.name}: expected manifest ${digest}, got ${written}`);
  return { root, manifest: digest, document, config };
}
