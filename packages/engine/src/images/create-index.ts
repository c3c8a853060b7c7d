/** Indexes of images that registries have (`docker buildx imagetools create`): nothing of them comes into the local store. */
import { type Digest, formatPlatform, type Platform, sha256, TsbuildError } from "@tsbuild/base";
import { bytesFrom } from "@tsbuild/export";
import {
  type Descriptor,
  formatReference,
  type ImageReference,
  type Index,
  imageManifests,
  indexReference,
  type Manifest,
  mediaTypes,
  parseImageConfig,
  parseManifest,
  parseManifestOrIndex,
  parseReference,
  serializeIndex,
  shownName,
} from "@tsbuild/oci";
import type { FetchedManifest, RegistryClient } from "@tsbuild/registry";
import type { CreatedIndex, CreateIndexRequest, IndexAnnotation, RemoteManifest } from "./api.ts";

/** Something that an index lists, and the repository that has it. */
interface Listed {
  readonly descriptor: Descriptor;
  readonly from: ImageReference;
}

interface Tools {
  readonly client: RegistryClient;
  readonly signal: AbortSignal;
}

interface Found {
  readonly manifest: FetchedManifest;
  readonly isIndex: boolean;
  readonly listed: readonly Listed[];
}

/** What a name stands for: the entries of its index, or the one that an image would be in one. */
async function found(tools: Tools, from: ImageReference): Promise<Found> {
  const { client, signal } = tools;
  const manifest = await client.manifest(from, { signal });
  const { bytes, digest, mediaType } = manifest;
  const document = parseManifestOrIndex(bytes, `manifest of ${formatReference(from)}`);
  if (document.kind === "index") {
    const listed = document.index.manifests.map((descriptor) => ({ descriptor, from }));
    return { manifest, isIndex: true, listed };
  }
  const platform = await platformOf(tools, from, document.manifest);
  const descriptor = { mediaType, digest, size: bytes.length, ...(platform && { platform }) };
  return { manifest, isIndex: false, listed: [{ descriptor, from }] };
}

/** Of an image; other manifests have configs of other types, and are for none. */
async function platformOf(
  { client, signal }: Tools,
  from: ImageReference,
  { config }: Manifest,
): Promise<Descriptor["platform"]> {
  if (config.mediaType !== mediaTypes.ociConfig && config.mediaType !== mediaTypes.dockerConfig)
    return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.blob(from, config, { signal })) chunks.push(Uint8Array.from(chunk));
  const bytes = Buffer.concat(chunks);
  if (sha256(bytes) !== config.digest)
    throw new TsbuildError("TSB_INTEGRITY", `${formatReference(from)}: the config is not ${config.digest}`);
  const { architecture, os, variant } = parseImageConfig(bytes);
  return { architecture, os, ...(variant ? { variant } : {}) };
}

function platformText({ platform }: Descriptor): string | undefined {
  return platform === undefined || platform.os === "unknown" ? undefined : formatPlatform(platform);
}

/** Of images for one platform the last counts, with what is claimed of it; nothing is listed twice. */
function combined(all: readonly Listed[], platforms: readonly Platform[] | undefined): Listed[] {
  const unique = [...new Map(all.map((one) => [one.descriptor.digest, one])).values()];
  const images = new Set(
    imageManifests({ schemaVersion: 2, manifests: unique.map((one) => one.descriptor) }),
  );
  const last = new Map(
    unique
      .filter(({ descriptor }) => images.has(descriptor))
      .map(({ descriptor }) => [platformText(descriptor) ?? descriptor.digest, descriptor.digest]),
  );
  const wanted = platforms?.map(formatPlatform);
  const kept = new Set(
    [...last].filter(([key]) => wanted?.includes(key) ?? true).map(([, digest]) => digest),
  );
  const missing = wanted?.find((platform) => !last.has(platform));
  if (missing !== undefined) {
    throw new TsbuildError("TSB_RESOLVE", `no source has an image for ${missing}`, {
      hint: `there are ${[...last.keys()].join(", ")}`,
    });
  }
  return unique.filter(({ descriptor }) => {
    if (images.has(descriptor)) return kept.has(descriptor.digest);
    const subject = descriptor.annotations?.[indexReference.digest];
    return subject === undefined || kept.has(subject as Digest);
  });
}

function annotated(descriptor: Descriptor, annotations: readonly IndexAnnotation[]): Descriptor {
  const own = annotations.filter(
    ({ scope, platform }) =>
      scope === "manifest-descriptor" && (platform === undefined || platform === platformText(descriptor)),
  );
  if (own.length === 0 || platformText(descriptor) === undefined) return descriptor;
  const added = Object.fromEntries(own.map(({ key, value }) => [key, value]));
  return { ...descriptor, annotations: { ...descriptor.annotations, ...added } };
}

/** Docker's list where all is docker's and nothing is annotated; else OCI's, whose readers take docker's manifests as well. */
function indexOf(listed: readonly Listed[], annotations: readonly IndexAnnotation[]): Index {
  const manifests = listed.map(({ descriptor }) => annotated(descriptor, annotations));
  const own = annotations.filter(({ scope }) => scope === "index").map(({ key, value }) => [key, value]);
  const isDocker =
    annotations.length === 0 && manifests.every(({ mediaType }) => mediaType === mediaTypes.dockerManifest);
  return {
    schemaVersion: 2,
    mediaType: isDocker ? mediaTypes.dockerIndex : mediaTypes.ociIndex,
    manifests,
    ...(own.length === 0 ? {} : { annotations: Object.fromEntries(own) as Record<string, string> }),
  };
}

function repositoryOf({ host, repository }: ImageReference): string {
  return `${host}/${repository}`;
}

/** Copies a manifest and its blobs into another repository, by mounting where it is on the same host. */
async function copyManifest(
  { client, signal }: Tools,
  { descriptor, from }: Listed,
  to: ImageReference,
): Promise<FetchedManifest> {
  const manifest = await client.manifest({ ...from, digest: descriptor.digest }, { signal });
  const { config, layers } = parseManifest(manifest.bytes, `manifest ${manifest.digest}`);
  const mountFrom = from.host === to.host ? [from.repository] : [];
  for (const blob of [config, ...layers]) {
    const open = (offset: number) =>
      bytesFrom({ ...blob, open: () => client.blob(from, blob, { signal }) }, offset);
    await client.pushBlob(to, { digest: blob.digest, size: blob.size, open, mountFrom }, { signal });
  }
  return { ...manifest, mediaType: descriptor.mediaType };
}

async function pushIndex(
  tools: Tools,
  index: FetchedManifest,
  { listed, names }: { readonly listed: readonly Listed[]; readonly names: readonly ImageReference[] },
): Promise<void> {
  for (const reference of names) {
    const foreign = listed.filter(({ from }) => repositoryOf(from) !== repositoryOf(reference));
    const children: FetchedManifest[] = [];
    for (const one of foreign) children.push(await copyManifest(tools, one, reference));
    const tags = [reference.tag ?? "latest"];
    await tools.client.pushManifests(
      { reference, manifests: [...children, index], tags },
      { signal: tools.signal },
    );
  }
}

function nameOf(text: string): ImageReference {
  const name = parseReference(text);
  if (name.digest === undefined) return name;
  throw new TsbuildError("TSB_USAGE", `${text}: a digest is no name that can be given`, {
    hint: "-t NAME[:TAG]",
  });
}

function made(listed: readonly Listed[], annotations: readonly IndexAnnotation[]): FetchedManifest {
  const document = indexOf(listed, annotations);
  const bytes = serializeIndex(document);
  return { digest: sha256(bytes), mediaType: document.mediaType ?? mediaTypes.ociIndex, bytes };
}

/** Makes an index of what the sources stand for, and puts it under the names. One index alone is copied byte for byte. */
export async function createIndex(
  client: RegistryClient,
  request: CreateIndexRequest,
  signal: AbortSignal,
): Promise<CreatedIndex> {
  const tools = { client, signal };
  const { annotations, platforms } = request;
  const names = request.names.map(nameOf);
  const sources = [...(request.append ? names.slice(0, 1) : []), ...request.sources.map(parseReference)];
  const all: Found[] = [];
  for (const source of sources) all.push(await found(tools, source));
  const [only, ...more] = all;
  const isCopy =
    only?.isIndex === true && more.length === 0 && annotations.length === 0 && platforms === undefined;
  const listed = combined(
    all.flatMap((one) => one.listed),
    platforms,
  );
  const index = isCopy ? only.manifest : made(listed, annotations);
  if (!request.dryRun) await pushIndex(tools, index, { listed, names });
  return {
    bytes: index.bytes,
    digest: index.digest,
    names: names.map((name) => shownName(formatReference(name))),
  };
}

/** What a name stands for in its registry. */
export async function remoteManifest(
  client: RegistryClient,
  text: string,
  signal: AbortSignal,
): Promise<RemoteManifest> {
  const reference = parseReference(text);
  const { bytes, digest, mediaType } = await client.manifest(reference, { signal });
  return { name: formatReference(reference), mediaType, digest, bytes };
}
