import { parseTruth } from "@tsbuild/base";
import type { ArchiveDraft, CommitRequest, CommittedImage, ExportResult } from "@tsbuild/export";
import { isLoad } from "@tsbuild/export/load-output";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { type ImageConfig, INLINE_CACHE_KEY, mediaTypes } from "@tsbuild/oci/documents";
import { snapshotOf } from "@tsbuild/ops";
import type { Ref } from "@tsbuild/solver";
import { type ImageRecord, remoteLayersOf } from "@tsbuild/store";
import type { BuildResult, OutputRequest } from "./api.ts";
import type { BuildRun } from "./build.ts";
import { asStep } from "./export-step.ts";

/** What came out for one platform. */
export interface PlatformResult {
  readonly platform: CompiledPlatform;
  readonly ref: Ref | null;
  /** Records that the image is to carry (V030). */
  readonly inlineCache?: string | undefined;
}

export interface Delivery {
  readonly run: BuildRun;
  /** In the order of the flag, which is that of an index. */
  readonly results: readonly PlatformResult[];
  readonly names: readonly string[];
  /** Set for targets beside the first, whose steps have to be told apart. */
  readonly target?: string | undefined;
  /** Adds what is claimed of the images; undefined: nothing is. */
  readonly attest?: ((images: readonly CommittedImage[]) => Promise<readonly CommittedImage[]>) | undefined;
}

/** A result that was put where it was asked for, with what tells of it. */
export interface Delivered {
  /** As it was asked for. */
  readonly target: string | undefined;
  readonly result: BuildResult;
  readonly images: readonly CommittedImage[];
  /** Of the last output that has one. */
  readonly descriptor?: ExportResult["descriptor"];
}

/** An image carries its own cache or none: that of its base speaks of other layers. */
function withCache(
  { [INLINE_CACHE_KEY]: _base, ...config }: ImageConfig,
  cache: string | undefined,
): ImageConfig {
  return cache === undefined ? config : { ...config, [INLINE_CACHE_KEY]: cache };
}

function wantsImage({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  return tags.length > 0 || outputs.length === 0 || outputs.some(({ type }) => type !== "cacheonly");
}

/** The store gets what has a name, what has no other place to go, and what is asked of it. */
function wantsStored({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  return (
    outputs.length === 0 ||
    tags.length > 0 ||
    outputs.some((output) => output.type === "image" && isStored(output))
  );
}

/** An image output with options, such as a name, puts the image into the store itself. */
function isNamedAtOnce({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  const plain = outputs.some(({ type, attrs }) => type === "image" && Object.keys(attrs).length === 0);
  return outputs.length === 0 || tags.length > 0 || plain;
}

/** The exporter of images says which words are true and false. */
function isStored({ attrs }: OutputRequest): boolean {
  return attrs["store"] === undefined || parseTruth(attrs["store"]) === true;
}

/** The annotations of the request are those of every output that makes an image (C018). */
function annotatedOutput(output: OutputRequest, { request }: BuildRun): OutputRequest {
  const isImage = !["local", "tar", "cacheonly"].includes(output.type);
  return isImage ? { ...output, attrs: { ...request.annotations, ...output.attrs } } : output;
}

interface Committed {
  readonly images: readonly CommittedImage[];
  /** An archive that holds some of the image already. */
  readonly draft?: ArchiveDraft | undefined;
}

async function commitAll(
  { run, results, names, target, attest }: Delivery,
  outputs: readonly OutputRequest[],
): Promise<Committed> {
  const { request, session, signal } = run;
  const { clampsAll, commitAndDraft, commitRemote, expectUploads, wantedCompression } = await import(
    "@tsbuild/export"
  );
  const pushed = outputs.filter(pushes);
  // What cannot be had is told of by the push, which asks for the same.
  const onPacking = (): void =>
    void expectUploads({ outputs: pushed, names }, (options) => session.registry(options)).catch(
      () => undefined,
    );
  // Where in an archive the layers of several images will be, or of one with claims, is not known before they are measured.
  const draftable = results.length === 1 && attest === undefined ? outputs : [];
  const clamped = request.reproducible === true || clampsAll(request.outputs);
  const title = wantsStored(run) ? "exporting to image" : "preparing layers";
  return asStep(run.emit, titleFor(title, target), async (tell) => {
    const images: CommittedImage[] = [];
    let draft: ArchiveDraft | undefined;
    for (const { platform, ref, inlineCache } of results) {
      const remote = ref === null ? undefined : remoteLayersOf(ref);
      const commit: CommitRequest = {
        config: withCache(platform.image, inlineCache),
        snapshot: ref === null || remote !== undefined ? null : snapshotOf(ref),
        names,
        platform: platform.platform,
        epochSeconds: platform.epochSeconds,
        // An index, and what has annotations, is put under the name as a whole.
        register: isNamedAtOnce(run) && isPlain(run, results),
        compress: wantedCompression(request.outputs),
        signal,
        onProgress: tell,
        onPacking,
      };
      if (remote !== undefined) {
        images.push(commitRemote(session.store, commit, remote));
        continue;
      }
      const whole = await squashed(run, platform, commit);
      const final = clamped ? await withoutLaterTimes(run, whole) : whole;
      const committed = await commitAndDraft(session.store, final, draftable);
      images.push(committed.image);
      draft = committed.draft;
    }
    return { images, draft };
  });
}

function titleFor(title: string, target: string | undefined): string {
  return target === undefined ? title : `${title} of ${target}`;
}

async function squashed(
  { request, session }: BuildRun,
  platform: CompiledPlatform,
  commit: CommitRequest,
): Promise<CommitRequest> {
  if (request.squash === undefined) return commit;
  const [{ squash }, { keptLayers }] = await Promise.all([import("@tsbuild/export"), import("./squash.ts")]);
  return squash(session.store, commit, { keepLayers: keptLayers(platform, request.squash) });
}

/** An image whose times are cut off before it is measured is the same wherever it goes. */
async function withoutLaterTimes(
  { session, signal }: BuildRun,
  commit: CommitRequest,
): Promise<CommitRequest> {
  const { clampSnapshot } = await import("@tsbuild/export");
  const { snapshot, epochSeconds, config } = commit;
  const baseLayers = config.rootfs.diff_ids.length;
  const cut = await clampSnapshot(session.store, { snapshot, baseLayers, epochSeconds, signal });
  return { ...commit, snapshot: cut, clamped: true };
}

/** One platform and nothing to be said of it: the image is a manifest, and that is all (W032). */
function isPlain({ request }: BuildRun, results: readonly PlatformResult[]): boolean {
  const { annotations = {}, attestations = [] } = request;
  return results.length === 1 && Object.keys(annotations).length === 0 && attestations.length === 0;
}

/** What tells of an image as the store has it. */
function storedResult({ session }: BuildRun, image: CommittedImage | undefined): ExportResult {
  if (image === undefined) return {};
  const { manifest: digest } = image;
  const size = session.store.blobs.size(digest) ?? 0;
  return { manifest: digest, descriptor: { mediaType: mediaTypes.ociManifest, digest, size } };
}

/** Puts the result where it was asked for. Without a name or an output it goes to the local store, nameless: nothing is dropped. */
export async function deliver(delivery: Delivery): Promise<Delivered> {
  const { run, attest } = delivery;
  const { request } = run;
  if (!wantsImage(run)) return { target: request.target, result: { names: [] }, images: [] };
  const before = namedImage(delivery);
  const outputs = request.outputs.filter(isWritten).map((output) => annotatedOutput(output, run));
  const { images: committed, draft } = await commitAll(delivery, outputs);
  try {
    const images = attest === undefined ? committed : await attest(committed);
    const { last, names } = await exportAll(delivery, images, { outputs, draft });
    const imageId = images.length === 1 ? images[0]?.imageId : undefined;
    return {
      target: request.target,
      result: { imageId, manifest: last.manifest, names, ...growthOf(delivery, before, images) },
      images,
      descriptor: last.descriptor,
    };
  } finally {
    await draft?.file.drop();
  }
}

/** An image output without options is done with when the image is named. */
function isWritten({ type, attrs }: OutputRequest): boolean {
  return type !== "cacheonly" && (type !== "image" || Object.keys(attrs).length > 0);
}

interface Exported {
  /** What tells of the image: that of the last output that does. */
  readonly last: ExportResult;
  readonly names: readonly string[];
}

async function exportAll(
  delivery: Delivery,
  images: readonly CommittedImage[],
  { outputs, draft }: { readonly outputs: readonly OutputRequest[]; readonly draft: Committed["draft"] },
): Promise<Exported> {
  const { run, results } = delivery;
  // Layers that are not here have to be where the names say, before the names mean them.
  const areRemote = images.some(({ remote }) => remote !== undefined);
  let last: ExportResult = storedResult(run, images[0]);
  if (!areRemote && wantsStored(run) && !isPlain(run, results)) last = await nameIndex(run, images);
  let names: readonly string[] = run.request.tags;
  for (const output of outputs) {
    const own = draft?.output === output ? draft : undefined;
    const exported = await exportOutput(delivery, output, { images, draft: own });
    if (exported.manifest !== undefined) last = exported;
    names = exported.pushed ?? names;
  }
  if (areRemote && isNamedAtOnce(run)) await nameIndex(run, images);
  return { last, names };
}

/** Puts several images, or one of which more is to be said than its manifest does, under the build's names. One plain image is itself. */
async function nameIndex({ session, request }: BuildRun, images: readonly CommittedImage[]) {
  const { registerImages } = await import("@tsbuild/export");
  return registerImages(session.store, images, { attrs: request.annotations ?? {} });
}

/** The image that has the first name until now. */
function namedImage({ run, names: [name] }: Delivery): ImageRecord | undefined {
  return name === undefined ? undefined : run.session.store.images.get(name);
}

/** W017: what the change cost; nothing is said of the same image, of several, and where layers were never measured. */
function growthOf(
  { run }: Delivery,
  before: ImageRecord | undefined,
  images: readonly CommittedImage[],
): Pick<BuildResult, "growth"> {
  const [image, ...others] = images;
  if (before?.snapshot == null || image === undefined || others.length > 0) return {};
  if (image.imageId === before.config || image.remote !== undefined) return {};
  const sizes = run.session.store.snapshots.layers(before.snapshot).map(({ sizeBytes }) => sizeBytes);
  if (sizes.length === 0 || sizes.includes(undefined)) return {};
  const sum = (numbers: readonly (number | undefined)[]) =>
    numbers.reduce<number>((total, number) => total + (number ?? 0), 0);
  const bytes = sum(image.layers.map(({ sizeBytes }) => sizeBytes));
  return { growth: { name: before.name, bytes, beforeBytes: sum(sizes) } };
}

async function exportOutput(
  { run, names, target }: Delivery,
  output: OutputRequest,
  { images, draft }: Committed,
): Promise<ExportResult> {
  const { session, signal } = run;
  const { exportResult } = await import("@tsbuild/export");
  return asStep(run.emit, titleFor(outputTitle(output, names), target), (tell, log) =>
    exportResult(output, images, {
      store: session.store,
      signal,
      draft,
      onProgress: tell,
      onLog: log,
      containers: () => containersFor(run, output),
      registry: (options) => session.registry(options),
    }),
  );
}

export async function containersFor({ env, signal }: BuildRun, { attrs }: OutputRequest) {
  const { findContainerEngine } = await import("@tsbuild/export/container-engine");
  return findContainerEngine(env, { context: attrs["context"], signal });
}

export function pushes({ type, attrs }: Pick<OutputRequest, "type" | "attrs">): boolean {
  const asked = attrs["push"] ?? attrs["push-by-digest"];
  return type === "registry" || (asked !== undefined && parseTruth(asked) === true);
}

/** `pushing registry.example/app:1`, `exporting to oci (image.tar)`. */
function outputTitle({ type, dest, attrs }: OutputRequest, names: readonly string[]): string {
  if (pushes({ type, attrs })) return `pushing ${attrs["name"] ?? names.join(", ")}`;
  if (type === "image") return `naming the image ${attrs["name"] ?? ""}`.trimEnd();
  if (isLoad({ type, dest, attrs })) return "loading into a container engine";
  return `exporting to ${type} (${dest === undefined || dest === "-" ? "standard output" : dest})`;
}
