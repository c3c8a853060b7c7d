import type { CommittedImage, EarlyPushes, ExportOptions, ExportResult } from "@tsbuild/export";
import { isLoad } from "@tsbuild/export/load-output";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { mediaTypes } from "@tsbuild/oci/documents";
import type { Ref } from "@tsbuild/solver";
import type { ImageRecord } from "@tsbuild/store";
import type { BuildResult, OutputRequest } from "./api.ts";
import type { BuildRun } from "./build.ts";
import { type Committed, commitAll, earlyPushes } from "./commit-results.ts";
import { asStep, stepTitle } from "./export-step.ts";
import {
  annotatedOutput,
  isNamedAtOnce,
  isPlain,
  isWritten,
  pushes,
  wantsImage,
  wantsStored,
} from "./output-wishes.ts";

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
  const early = await earlyPushes(delivery, outputs);
  let draft: Committed["draft"];
  try {
    const committed = await commitAll(delivery, { outputs, early });
    draft = committed.draft;
    const images = attest === undefined ? committed.images : await attest(committed.images);
    const { last, names } = await exportAll(delivery, images, { outputs, draft, early });
    const imageId = images.length === 1 ? images[0]?.imageId : undefined;
    return {
      target: request.target,
      result: { imageId, manifest: last.manifest, names, ...growthOf(delivery, before, images) },
      images,
      descriptor: last.descriptor,
    };
  } finally {
    await early?.end();
    await draft?.file.drop();
  }
}

interface Exported {
  /** What tells of the image: that of the last output that does. */
  readonly last: ExportResult;
  readonly names: readonly string[];
}

interface ToExport {
  readonly outputs: readonly OutputRequest[];
  readonly draft: Committed["draft"];
  /** What was sent already. */
  readonly early: EarlyPushes | undefined;
}

async function exportAll(
  delivery: Delivery,
  images: readonly CommittedImage[],
  { outputs, draft, early }: ToExport,
): Promise<Exported> {
  const { run, results } = delivery;
  // Layers that are not here have to be where the names say, before the names mean them.
  const areRemote = images.some(({ remote }) => remote !== undefined);
  let last: ExportResult = storedResult(run, images[0]);
  if (!areRemote && wantsStored(run) && !isPlain(run, results)) last = await nameIndex(run, images);
  let names: readonly string[] = run.request.tags;
  for (const output of outputs) {
    const own = draft?.output === output ? draft : undefined;
    const begun = { draft: own, pushing: await early?.of(output) };
    const exported = await exportOutput(delivery, output, { images, begun });
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

type Begun = Pick<ExportOptions, "draft" | "pushing">;

async function exportOutput(
  { run, names, target }: Delivery,
  output: OutputRequest,
  { images, begun }: { readonly images: readonly CommittedImage[]; readonly begun: Begun },
): Promise<ExportResult> {
  const { session, signal } = run;
  const { exportResult } = await import("@tsbuild/export");
  return asStep(run.emit, stepTitle(outputTitle(output, names), target), (tell, log) =>
    exportResult(output, images, {
      store: session.store,
      signal,
      ...begun,
      onProgress: tell,
      onLog: log,
      containers: () => containersFor(run, output),
      registry: session.registry.bind(session),
    }),
  );
}

export async function containersFor({ env, signal }: BuildRun, { attrs }: OutputRequest) {
  const { findContainerEngine } = await import("@tsbuild/export/container-engine");
  return findContainerEngine(env, { context: attrs["context"], signal });
}

/** `pushing registry.example/app:1`, `exporting to oci (image.tar)`. */
function outputTitle({ type, dest, attrs }: OutputRequest, names: readonly string[]): string {
  if (pushes({ type, attrs })) return `pushing ${attrs["name"] ?? names.join(", ")}`;
  if (type === "image") return `naming the image ${attrs["name"] ?? ""}`.trimEnd();
  if (isLoad({ type, dest, attrs })) return "loading into a container engine";
  return `exporting to ${type} (${dest === undefined || dest === "-" ? "standard output" : dest})`;
}
