import type { Digest } from "@tsbuild/base";
import { formatReference, parseReference } from "@tsbuild/oci";
import type { FetchedManifest } from "@tsbuild/registry";
import { rememberRepositoryDigest } from "@tsbuild/store";
import { type Referrer, referrersOf } from "./attached.ts";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { noName } from "./fit.ts";
import { type PackagedImage, packageImage } from "./image.ts";
import type { LayerBlob } from "./layers.ts";
import { Pushing } from "./pushing.ts";
import { rewriteTimestamps } from "./rewrite.ts";
import { type Root, rootOf } from "./root.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult } from "./types.ts";

interface PushRun {
  readonly pushing: Pushing;
  readonly options: ExportOptions;
}

function manifestOf({ descriptor, blobs }: PackagedImage): FetchedManifest {
  const [document] = blobs;
  if (document === undefined || !("bytes" in document))
    throw new Error("assertion failed: a manifest comes first");
  return { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes: document.bytes };
}

/** A layer goes out as soon as it is compressed, while others still are, and the config beside them. When one fails, the others are waited for. */
async function pushImage(
  { pushing, options }: PushRun,
  image: CommittedImage,
  attributes: ImageAttributes,
): Promise<PackagedImage> {
  const wanted = attributes.rewriteTimestamps ? await rewriteTimestamps(image, options) : image;
  try {
    const onLayer = ({ blob }: LayerBlob) => pushing.start(blob);
    const packaged = await packageImage(wanted, attributes, { ...options, onLayer });
    const config = packaged.blobs[1];
    if (config !== undefined) pushing.start(config);
    await pushing.all();
    return packaged;
  } finally {
    await pushing.settled();
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
  { pushing, options }: PushRun,
  referrers: readonly { subject: Digest; referrer: Referrer }[],
): Promise<void> {
  const { signal } = options;
  for (const { subject, referrer } of referrers) {
    for (const blob of referrer.blobs) await pushing.push(blob);
    const { descriptor, bytes, artifactType, annotations } = referrer;
    const manifest = { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes };
    for (const { reference } of pushing.destinations)
      await pushing.client.attachReferrer(
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
  const pushing = options.pushing ?? (await Pushing.open(names, attributes, options));
  pushing.showTo(options.onProgress);
  const run: PushRun = { pushing, options };
  const packaged: PackagedImage[] = [];
  for (const image of images) packaged.push(await pushImage(run, image, attributes));
  const attach = attributes.attestAs === "index";
  const { original } = options;
  const root = rootOf(packaged, attributes, { type: request.type, names, attach, original });
  for (const { blobs } of root.attestations) for (const blob of blobs) await pushing.push(blob);
  const manifests = manifestsOf(packaged, root);
  const { signal } = options;
  for (const { reference, tags } of pushing.destinations)
    await pushing.client.pushManifests(
      { reference, manifests, tags },
      { signal, onRetry: pushing.tellRetry },
    );
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
function rememberPlaces({ pushing, options }: PushRun, image: Digest, digest: Digest): void {
  for (const { reference } of pushing.destinations) {
    const { host, repository } = reference;
    rememberRepositoryDigest(options.store, image, { host, repository, digest });
  }
}

function pushedNames(names: readonly string[], digest: Digest, attributes: ImageAttributes): string[] {
  if (!attributes.pushByDigest) return [...names];
  return names.map((name) => formatReference({ ...parseReference(name), tag: undefined, digest }));
}
