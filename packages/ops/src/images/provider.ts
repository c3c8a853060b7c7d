import {
  chainId,
  type Digest,
  formatPlatform,
  isDigest,
  type Platform,
  type SnapshotId,
  TsbuildError,
} from "@tsbuild/base";
import {
  bestPlatform,
  formatReference,
  type ImageConfig,
  type Manifest,
  parseImageConfig,
  parseManifest,
  parseReference,
} from "@tsbuild/oci/documents";
import type { RegistryClient } from "@tsbuild/registry";
import type { OpContext } from "@tsbuild/solver";
import type { ImageRecord, ImageVariant, RemoteLayer, Store } from "@tsbuild/store";
import type { ImageProvider, OpsEnvironment, ProvidedImage, ResolveOptions } from "../environment.ts";
import { type FetchedImage, fetchImage, isIndex } from "./fetch.ts";
import { layoutOrigin, type Origin, registryOrigin } from "./origin.ts";

export interface ProviderOptions {
  readonly env: Pick<OpsEnvironment, "store" | "fs" | "userxattr">;
  /** Loaded when something has to come over the network. */
  readonly registry: (name: string) => Promise<RegistryClient>;
  /** Ask the registry although a tag is known here. */
  readonly pull: boolean;
  /** With `pull`: not for images that were built or imported here, which no registry need know. */
  readonly keepOwn?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** An image whose layers may still have to come from somewhere. */
export interface KnownImage extends ProvidedImage {
  readonly document: Manifest;
  /** Undefined for an image made here: its layers are snapshots already. */
  readonly origin: (() => Promise<Origin>) | undefined;
  readonly snapshot: SnapshotId | null | undefined;
  /** See `LayerChain`. */
  readonly remembered?: "pulled" | "loaded" | undefined;
}

/**
 * Images for FROM and --from: first what this machine has (built, imported, or resolved before), then registries (W026, W030). A tag
 * resolved once stays what it is until `pull`.
 */
export function createImageProvider(options: ProviderOptions): ImageProvider {
  const known = new Map<string, Promise<KnownImage>>();
  const resolve = (name: string, how: ResolveOptions): Promise<KnownImage> => {
    const key = `${formatPlatform(how.platform)} ${name}`;
    const running = known.get(key);
    if (running !== undefined) return running;
    const started = resolveImage(options, name, how);
    known.set(key, started);
    started.catch(() => known.delete(key));
    return started;
  };
  const resolved = async (image: ProvidedImage): Promise<KnownImage> => {
    const match = (await Promise.all(known.values())).find((one) => one.manifest === image.manifest);
    if (match === undefined) throw new Error("assertion failed: layers of an image that was not resolved");
    return match;
  };
  return {
    resolve,
    unpack: async (image, context: OpContext) => {
      const match = await resolved(image);
      const { unpackImage } = await import("./unpack.ts");
      return unpackImage(options, match, context);
    },
    remoteLayers: async (image) => remoteLayers(options, await resolved(image)),
  };
}

/** A manifest that lists other layers than its config is left to those who unpack it: they tell. */
async function remoteLayers(
  { env: { store } }: ProviderOptions,
  { config, document, origin, snapshot }: KnownImage,
): Promise<readonly RemoteLayer[] | undefined> {
  const { diff_ids: diffIds } = config.rootfs;
  const chain = chainId(diffIds);
  if (origin === undefined || chain === undefined || document.layers.length !== diffIds.length)
    return undefined;
  if (snapshot !== undefined && (snapshot === null || store.snapshots.exists(snapshot))) return undefined;
  if (store.snapshots.byChainId(chain) !== undefined) return undefined;
  const { repository, blob } = await origin();
  return document.layers.map((layer, at) => ({
    diffId: diffIds[at]!,
    blob: layer,
    repository,
    open: (signal) => blob(layer, signal),
  }));
}

interface Wanted {
  readonly name: string;
  readonly digest: Digest | undefined;
  readonly origin: () => Promise<Origin>;
}

function parseName(options: ProviderOptions, text: string): Wanted {
  if (text.startsWith("oci-layout://")) {
    const origin = layoutOrigin(text.slice("oci-layout://".length));
    return { name: text, digest: undefined, origin: async () => origin };
  }
  const reference = parseReference(text.replace(/^docker-image:\/\//, ""));
  const { digest, ...tagged } = reference;
  const name = formatReference(tagged.tag === undefined ? { ...tagged, digest } : tagged);
  return {
    name,
    digest,
    origin: async () =>
      registryOrigin(
        await options.registry(formatReference(reference)),
        reference,
        formatReference(reference),
      ),
  };
}

async function resolveImage(
  options: ProviderOptions,
  text: string,
  how: ResolveOptions,
): Promise<KnownImage> {
  const { platform, onRemote = (_what, work) => work() } = how;
  const wanted = parseName(options, text);
  const isLayout = text.startsWith("oci-layout://");
  const local = isLayout ? undefined : fromStore(options, wanted, how);
  if (local !== undefined) return local;
  const { store } = options.env;
  const fetched = await onRemote(wanted.name, async () => {
    const origin = await wanted.origin();
    const unchanged = isLayout ? undefined : await unchangedImage(options, wanted, { origin, platform });
    if (unchanged !== undefined) return unchanged;
    return fetchImage({ store, origin, digest: wanted.digest, platform, signal: options.signal });
  }).catch((error: unknown) => {
    throw isLayout ? error : withLocalPlatforms(error, store, wanted, platform);
  });
  if (!isLayout) remember(store, memoKey(wanted, platform), fetched);
  return { ...fetched, name: wanted.name, origin: wanted.origin, snapshot: undefined };
}

function remember(store: Store, key: string, { root, manifest }: FetchedImage): void {
  store.memo.set("image", key, Buffer.from(manifest, "latin1"));
  store.memo.set("image-root", key, Buffer.from(root, "latin1"));
}

/** What was fetched before, when the registry says to a HEAD that the name still stands for it: that counts for no rate limit (R011). */
async function unchangedImage(
  { env, signal }: ProviderOptions,
  wanted: Wanted,
  { origin, platform }: { readonly origin: Origin; readonly platform: Platform },
): Promise<FetchedImage | undefined> {
  const { store } = env;
  const before = store.memo.get("image-root", memoKey(wanted, platform));
  const manifest = rememberedManifest(store, wanted, platform);
  if (before === undefined || manifest === undefined || wanted.digest !== undefined) return undefined;
  const stored = storedImage(store, manifest);
  const root = stored === undefined ? undefined : await origin.head?.(signal);
  if (root === undefined || root !== Buffer.from(before).toString("latin1")) return undefined;
  return stored && { ...stored, root };
}

/** Manifest and config, when both are here. */
function storedImage(store: Store, manifest: Digest): Omit<FetchedImage, "root"> | undefined {
  if (!store.blobs.has(manifest) || isIndex(store.blobs.read(manifest))) return undefined;
  const document = parseManifest(store.blobs.read(manifest));
  if (!store.blobs.has(document.config.digest)) return undefined;
  return { manifest, document, config: parseImageConfig(store.blobs.read(document.config.digest)) };
}

function memoKey(wanted: Wanted, platform: Platform): string {
  return `${wanted.name}@${wanted.digest ?? ""} ${formatPlatform(platform)}`;
}

function rememberedManifest(store: Store, wanted: Wanted, platform: Platform): Digest | undefined {
  const remembered = store.memo.get("image", memoKey(wanted, platform));
  const manifest = remembered === undefined ? undefined : Buffer.from(remembered).toString("latin1");
  return manifest !== undefined && isDigest(manifest) ? manifest : undefined;
}

function namedRecord({ env, pull, keepOwn }: ProviderOptions, name: string): ImageRecord | undefined {
  const record = env.store.images.get(name);
  return pull && !(keepOwn && record?.origin !== "pulled") ? undefined : record;
}

/** What this machine already knows by the name or digest. */
function fromStore(options: ProviderOptions, wanted: Wanted, how: ResolveOptions): KnownImage | undefined {
  const { store } = options.env;
  const { platform } = how;
  // A digest says exactly what is wanted: asking again could not change it, whatever its platform is.
  const anyPlatform = how.anyPlatform === true || wanted.digest !== undefined;
  const record =
    wanted.digest === undefined ? namedRecord(options, wanted.name) : store.images.byDigest(wanted.digest);
  const fitting = record && (byPlatform(store, record, platform) ?? (anyPlatform ? record : undefined));
  if (fitting !== undefined) return fromRecord(store, fitting, wanted);
  const manifest = wanted.digest ?? (options.pull ? undefined : rememberedManifest(store, wanted, platform));
  const stored = manifest === undefined ? undefined : storedImage(store, manifest);
  return stored && { ...stored, name: wanted.name, origin: wanted.origin, snapshot: undefined };
}

function platformsOf(store: Store, record: ImageRecord): { variant: ImageVariant; platform: Platform }[] {
  return (record.index?.variants ?? [record]).map((variant) => {
    const { os, architecture, variant: version } = parseImageConfig(store.blobs.read(variant.config));
    return { variant, platform: { os, architecture, variant: version || undefined } };
  });
}

/** The image of a name that is for a platform, or runs there; undefined when it is for others. */
function byPlatform(store: Store, record: ImageRecord, platform: Platform): ImageRecord | undefined {
  const candidates = platformsOf(store, record);
  const variant = bestPlatform(
    candidates.map((one) => one.platform),
    platform,
  );
  return variant === undefined ? undefined : { ...record, ...candidates[variant]?.variant };
}

/** A name that is known here, but for other platforms, and that nobody else has for this one. */
function withLocalPlatforms(error: unknown, store: Store, wanted: Wanted, platform: Platform): unknown {
  const record = store.images.get(wanted.name);
  if (record === undefined || !(error instanceof TsbuildError) || error.code !== "TSB_RESOLVE") return error;
  const here = platformsOf(store, record).map((one) => formatPlatform(one.platform));
  if (here.includes(formatPlatform(platform))) return error;
  return new TsbuildError(
    "TSB_RESOLVE",
    `${wanted.name} is here for ${here.join(", ")} only, not for ${formatPlatform(platform)}, and ${error.message}`,
    { hint: `build for what is here: --platform ${here.join(",")}`, cause: error },
  );
}

function fromRecord(store: Store, record: ImageRecord, wanted: Wanted): KnownImage {
  const config: ImageConfig = parseImageConfig(store.blobs.read(record.config));
  const document = parseManifest(store.blobs.read(record.manifest));
  const { manifest, snapshot } = record;
  if (record.origin === "pulled")
    return { name: record.name, manifest, document, config, origin: wanted.origin, snapshot };
  if (snapshot === undefined) {
    throw new TsbuildError("TSB_STORE", `the image ${record.name} was made here, but its layers are gone`, {
      hint: "build it again",
    });
  }
  return { name: record.name, manifest, document, config, origin: undefined, snapshot };
}
