import type { Digest } from "@tsbuild/base";
import {
  formatReference,
  type ImageReference,
  type LayoutBlob,
  parseReference,
  readFileReusing,
} from "@tsbuild/oci";
import type { FetchedManifest, PushBlob, RegistryClient, RetryNotice } from "@tsbuild/registry";
import { blobSources, rememberRepositoryDigest, rememberSource } from "@tsbuild/store";
import { type Referrer, referrersOf } from "./attached.ts";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { noName } from "./fit.ts";
import { type PackagedImage, packageImage } from "./image.ts";
import { rewriteTimestamps } from "./rewrite.ts";
import { type Root, rootOf } from "./root.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult } from "./types.ts";

/** One repository and the names in it. */
interface Destination {
  readonly reference: ImageReference;
  readonly tags: readonly string[];
}

interface PushRun {
  readonly client: RegistryClient;
  readonly destinations: readonly Destination[];
  readonly options: ExportOptions;
}

function destinationsOf(names: readonly string[], attributes: ImageAttributes): Destination[] {
  const byRepository = new Map<string, { reference: ImageReference; tags: string[] }>();
  for (const reference of names.map(parseReference)) {
    const key = `${reference.host}/${reference.repository}`;
    const found = byRepository.get(key) ?? { reference, tags: [] };
    byRepository.set(key, found);
    if (reference.tag !== undefined && !attributes.pushByDigest) found.tags.push(reference.tag);
  }
  return [...byRepository.values()];
}

/** Bytes of a blob from `offset` on; the memory of a chunk is used again when the next one is asked for. */
export function bytesFrom(blob: LayoutBlob, offset: number): AsyncIterable<Uint8Array> {
  if ("bytes" in blob) return once(blob.bytes.subarray(offset));
  return "path" in blob ? readFileReusing(blob.path, offset) : skip(blob.open(), offset);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* skip(stream: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of stream) {
    if (left < chunk.length) yield left > 0 ? chunk.subarray(left) : chunk;
    left = Math.max(0, left - chunk.length);
  }
}

/** Shown as a part of the step, so that waiting looks like waiting. */
function tellRetry({ onProgress }: ExportOptions): (notice: RetryNotice) => void {
  return ({ reason, delayMs }) => {
    const id = `${reason}; trying again in ${(delayMs / 1000).toFixed(1)} s`;
    onProgress?.({ id, current: 0, done: true });
  };
}

async function pushTo(run: PushRun, { reference }: Destination, blob: LayoutBlob): Promise<void> {
  const { client, options } = run;
  const { digest, size } = blob;
  const id = `pushing ${digest}`;
  const { host, repository } = reference;
  const mountFrom = blobSources(options.store, host, digest);
  const open = (offset: number) => bytesFrom(blob, offset);
  const pushed: PushBlob = { digest, size, open, mountFrom, isNew: mountFrom.length === 0 };
  await client.pushBlob(reference, pushed, {
    signal: options.signal,
    onRetry: tellRetry(options),
    onProgress: (current) => options.onProgress?.({ id, current, total: size }),
  });
  rememberSource(options.store, { host, repository, digest });
  options.onProgress?.({ id, current: size, total: size, done: true });
}

/** The first repository gets the bytes; others of its host are likely to mount them from there. */
async function pushEverywhere(run: PushRun, blob: LayoutBlob): Promise<void> {
  for (const destination of run.destinations) await pushTo(run, destination, blob);
}

function manifestOf({ descriptor, blobs }: PackagedImage): FetchedManifest {
  const [document] = blobs;
  if (document === undefined || !("bytes" in document))
    throw new Error("assertion failed: a manifest comes first");
  return { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes: document.bytes };
}

/** A layer goes out as soon as it is compressed, while others still are, and the config beside them. When one fails, the others are waited for. */
async function pushImage(
  run: PushRun,
  image: CommittedImage,
  attributes: ImageAttributes,
): Promise<PackagedImage> {
  const { options } = run;
  const wanted = attributes.rewriteTimestamps ? await rewriteTimestamps(image, options) : image;
  const sent = new Map<Digest, Promise<void>>();
  const push = (blob: LayoutBlob): Promise<void> => {
    // One layer can be in an image twice.
    const sending = sent.get(blob.digest) ?? pushEverywhere(run, blob);
    sent.set(blob.digest, sending);
    return sending;
  };
  const start = (blob: LayoutBlob): void => void push(blob).catch(() => undefined);
  try {
    const packaged = await packageImage(wanted, attributes, {
      ...options,
      onLayer: ({ blob }) => start(blob),
    });
    const config = packaged.blobs[1];
    if (config !== undefined) start(config);
    await Promise.all(sent.values());
    return packaged;
  } finally {
    await Promise.allSettled(sent.values());
  }
}

/** Children before the index, and nothing else when one image is all. */
function manifestsOf(images: readonly PackagedImage[], root: Root): FetchedManifest[] {
  const children = images.map(manifestOf);
  if (root.index === undefined) return children;
  const { digest, mediaType } = root.descriptor;
  const claims = root.attestations.map(({ descriptor, bytes }) => ({
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    bytes,
  }));
  return [...children, ...claims, { digest, mediaType, bytes: root.index }];
}

/** After what they refer to: until then a registry may refuse them. */
async function pushReferrers(
  run: PushRun,
  referrers: readonly { subject: Digest; referrer: Referrer }[],
): Promise<void> {
  const { signal } = run.options;
  for (const { subject, referrer } of referrers) {
    for (const blob of referrer.blobs) await pushEverywhere(run, blob);
    const { descriptor, bytes, artifactType, annotations } = referrer;
    const manifest = { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes };
    for (const { reference } of run.destinations)
      await run.client.attachReferrer(
        reference,
        { subject, manifest, artifactType, annotations },
        { signal },
      );
  }
}

/** `type=registry`, `--push`: blobs, then manifests, then the index, then the names (X011, R007). */
export async function exportRegistry(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  const attributes = imageAttributes(request);
  const names = attributes.names ?? images[0]?.names ?? [];
  if (names.length === 0) throw noName();
  const destinations = destinationsOf(names, attributes);
  const hosts = destinations.map(({ reference }) => reference.host);
  const client = await openClient(options, attributes.insecure ? hosts : []);
  const run: PushRun = { client, destinations, options };
  const packaged: PackagedImage[] = [];
  for (const image of images) packaged.push(await pushImage(run, image, attributes));
  const attach = attributes.attestAs === "index";
  const { original } = options;
  const root = rootOf(packaged, attributes, { type: request.type, names, attach, original });
  for (const { blobs } of root.attestations) for (const blob of blobs) await pushEverywhere(run, blob);
  const manifests = manifestsOf(packaged, root);
  const { signal } = options;
  for (const { reference, tags } of destinations)
    await client.pushManifests({ reference, manifests, tags }, { signal, onRetry: tellRetry(options) });
  if (!attach)
    await pushReferrers(
      run,
      packaged.flatMap((image) => referrersFor(image, names)),
    );
  const { digest } = root.descriptor;
  for (const { image } of packaged) rememberPlaces(run, image.imageId, digest);
  return { manifest: digest, descriptor: root.descriptor, pushed: pushedNames(names, digest, attributes) };
}

function referrersFor(image: PackagedImage, names: readonly string[]) {
  const subject = image.descriptor.digest;
  return referrersOf(image, names).map((referrer) => ({ subject, referrer }));
}

/** An image is known by the digest that a registry has it under. */
function rememberPlaces(run: PushRun, image: Digest, digest: Digest): void {
  for (const { reference } of run.destinations) {
    const { host, repository } = reference;
    rememberRepositoryDigest(run.options.store, image, { host, repository, digest });
  }
}

function pushedNames(names: readonly string[], digest: Digest, attributes: ImageAttributes): string[] {
  if (!attributes.pushByDigest) return [...names];
  return names.map((name) => formatReference({ ...parseReference(name), tag: undefined, digest }));
}

async function openClient(options: ExportOptions, insecureHosts: readonly string[]): Promise<RegistryClient> {
  if (options.registry === undefined) throw new Error("assertion failed: a push needs a registry client");
  return options.registry({ insecureHosts });
}
