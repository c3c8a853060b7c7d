import {
  type Digest,
  formatPlatform,
  hostPlatform,
  type Platform,
  sha256,
  TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import {
  type Descriptor,
  formatReference,
  type ImageReference,
  type Index,
  imageManifests,
  parseManifest,
  parseManifestOrIndex,
  parseReference,
  selectPlatform,
  serializeIndex,
  shownName,
} from "@tsbuild/oci";
import type { ImageProvider } from "@tsbuild/ops";
import type { RegistryClient } from "@tsbuild/registry";
import { type ImageRecord, type ImageVariant, rememberRepositoryDigest, type Store } from "@tsbuild/store";
import type { Session } from "../session.ts";
import type { MovedImage, PullOptions } from "./api.ts";
import { indexOfSome, mainPlace, othersIn } from "./index-parts.ts";

/** One name, and where what it stands for comes from and goes to. */
interface Pull {
  readonly store: Store;
  readonly client: RegistryClient;
  readonly images: ImageProvider;
  readonly reference: ImageReference;
  readonly signal: AbortSignal;
}

/** What an image is called here: by tag, else by digest. */
function recordName({ digest, ...tagged }: ImageReference): string {
  return formatReference(tagged.tag === undefined ? { ...tagged, digest } : tagged);
}

/** Fetches an image, whatever its name stands for here, unpacks it and puts it under its name. */
export async function pullImage(session: Session, text: string, options: PullOptions): Promise<MovedImage> {
  const { store } = session;
  const { signal, platforms = [hostPlatform()] } = options;
  const reference = parseReference(text);
  const images = await session.images({ pull: true, signal });
  const [platform, ...more] = platforms === "all" ? [] : platforms;
  if (platform !== undefined && more.length === 0) {
    const variant = await pullVariant({ store, images, signal }, text, platform);
    return named({ store, reference }, { ...variant, origin: "pulled" }, variant.manifest);
  }
  return pullSeveral({ store, images, signal, reference, client: await session.registry() }, platforms);
}

async function pullVariant(
  { store, images, signal }: Pick<Pull, "store" | "images" | "signal">,
  text: string,
  platform: Platform,
): Promise<ImageVariant> {
  const image = await images.resolve(text, { platform });
  const vertex = sha256(`pull ${text}`) as string as VertexDigest;
  const snapshot = await images.unpack(image, { vertex, signal, ignoreCache: false, emit: () => undefined });
  const config = parseManifest(store.blobs.read(image.manifest)).config.digest;
  return { manifest: image.manifest, config, snapshot };
}

function named(
  { store, reference }: Pick<Pull, "store" | "reference">,
  record: Omit<ImageRecord, "name" | "createdAt">,
  digest: Digest,
): MovedImage {
  const name = recordName(reference);
  const { host, repository } = reference;
  store.images.put({ ...record, name });
  for (const { config } of record.index?.variants ?? [record])
    rememberRepositoryDigest(store, config, { host, repository, digest });
  return { name: shownName(name), manifest: digest };
}

/** An index with several of its images, or all and what else it lists. */
async function pullSeveral(pull: Pull, platforms: readonly Platform[] | "all"): Promise<MovedImage> {
  const { store, client, reference, signal } = pull;
  const { digest, bytes } = await client.manifest(reference, { signal });
  const document = parseManifestOrIndex(bytes, `manifest of ${formatReference(reference)}`);
  const text = formatReference({ ...reference, digest });
  if (document.kind === "manifest") {
    const wanted = platforms === "all" ? [hostPlatform()] : platforms;
    const [variant] = await inOrder(wanted, (platform) => pullVariant(pull, text, platform));
    if (variant === undefined || wanted.length > 1) throw onlyOne(reference, wanted);
    return named(pull, { ...variant, origin: "pulled" }, digest);
  }
  const { index } = document;
  const entries = platforms === "all" ? imageManifests(index) : entriesFor(reference, index, platforms);
  const variants = await inOrder(entries, (entry) => pullEntry(pull, entry));
  const isWhole = entries.length === imageManifests(index).length;
  if (isWhole) await inOrder(othersIn(index), (entry) => pullOther(pull, entry));
  const kept = isWhole ? bytes : serializeIndex(indexOfSome(index, entries));
  const stored = { digest: store.blobs.write(kept), variants };
  const main = variants[mainPlace(entries)];
  if (main === undefined) throw noImages(reference);
  return named(pull, { ...main, origin: "pulled", index: stored }, digest);
}

async function inOrder<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await work(one));
  return results;
}

function onlyOne(reference: ImageReference, wanted: readonly Platform[]): TsbuildError {
  const name = shownName(recordName(reference));
  const asked = wanted.map(formatPlatform).join(" and ");
  return new TsbuildError("TSB_RESOLVE", `${name} is one image, which cannot be for ${asked}`, {
    hint: "leave --platform out to pull it as it is",
  });
}

function noImages(reference: ImageReference): TsbuildError {
  const name = shownName(recordName(reference));
  return new TsbuildError("TSB_RESOLVE", `${name} is an index without images`);
}

function entriesFor(reference: ImageReference, index: Index, platforms: readonly Platform[]): Descriptor[] {
  const found = new Set<Descriptor>();
  for (const platform of platforms) {
    const entry = selectPlatform(index, platform);
    if (entry !== undefined) found.add(entry);
    else throw noPlatform(reference, index, platform);
  }
  return imageManifests(index).filter((entry) => found.has(entry));
}

function noPlatform(reference: ImageReference, index: Index, platform: Platform): TsbuildError {
  const offered = imageManifests(index).flatMap((entry) =>
    entry.platform ? [formatPlatform(entry.platform)] : [],
  );
  const message = `${shownName(recordName(reference))} has no image for ${formatPlatform(platform)}`;
  return new TsbuildError("TSB_RESOLVE", message, { hint: `it has ${[...new Set(offered)].join(", ")}` });
}

/** The entry says which platform it is for; what it is then for is in its config. */
function pullEntry(pull: Pull, { digest, platform }: Descriptor): Promise<ImageVariant> {
  const text = formatReference({ ...pull.reference, digest });
  return pullVariant(pull, text, platform === undefined ? hostPlatform() : (platform as Platform));
}

/** What an index lists that is no image, such as what is claimed of one: its blobs, as they are. */
async function pullOther({ store, client, reference, signal }: Pull, { digest }: Descriptor): Promise<void> {
  const { bytes } = await client.manifest({ ...reference, digest }, { signal });
  const document = parseManifestOrIndex(bytes, `manifest ${digest}`);
  store.blobs.write(bytes);
  const parts = document.kind === "index" ? [] : [document.manifest.config, ...document.manifest.layers];
  for (const part of parts)
    if (!store.blobs.has(part.digest))
      await store.blobs.ingest(client.blob(reference, part, { signal }), part);
}
