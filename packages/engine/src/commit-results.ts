import type { ArchiveDraft, CommitRequest, CommittedImage, EarlyPushes } from "@tsbuild/export";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { type ImageConfig, INLINE_CACHE_KEY } from "@tsbuild/oci/documents";
import { snapshotOf } from "@tsbuild/ops";
import { remoteLayersOf } from "@tsbuild/store";
import type { OutputRequest } from "./api.ts";
import type { BuildRun } from "./build.ts";
import type { Delivery } from "./deliver.ts";
import { asStep, type StepProgress, stepTitle } from "./export-step.ts";
import { isNamedAtOnce, isPlain, pushes, wantsStored } from "./output-wishes.ts";

/** What the results of a build are as images. */
export interface Committed {
  readonly images: readonly CommittedImage[];
  /** An archive that holds some of the image already. */
  readonly draft?: ArchiveDraft | undefined;
}

interface Outputs {
  readonly outputs: readonly OutputRequest[];
  readonly early: EarlyPushes | undefined;
}

/** What of the images may be sent while they are being committed; undefined: nothing is pushed. */
export async function earlyPushes(
  { run, names }: Delivery,
  outputs: readonly OutputRequest[],
): Promise<EarlyPushes | undefined> {
  const pushed = outputs.filter(pushes);
  if (pushed.length === 0) return undefined;
  const { EarlyPushes } = await import("@tsbuild/export");
  const { wantedCompression } = await import("@tsbuild/export/wanted");
  const { request, session, signal } = run;
  const compress = wantedCompression(request.outputs);
  const registry = session.registry.bind(session);
  return new EarlyPushes({ outputs: pushed, names, compress }, { store: session.store, signal, registry });
}

/** Makes images of the results, and puts the one that needs no more under its names. */
export async function commitAll(delivery: Delivery, { outputs, early }: Outputs): Promise<Committed> {
  const { run, results, target, attest } = delivery;
  // Where in an archive the layers of several images will be, or of one with claims, is not known before they are measured.
  const draftable = results.length === 1 && attest === undefined ? outputs : [];
  const title = wantsStored(run) ? "exporting to image" : "preparing layers";
  return asStep(run.emit, stepTitle(title, target), async (tell) => {
    const images: CommittedImage[] = [];
    let draft: ArchiveDraft | undefined;
    for (const result of results) {
      const committed = await commitOne(delivery, result, { draftable, early, tell });
      images.push(...committed.images);
      draft = committed.draft;
    }
    return { images, draft };
  });
}

interface CommitHow {
  /** Outputs whose archive may be begun. */
  readonly draftable: readonly OutputRequest[];
  readonly early: EarlyPushes | undefined;
  readonly tell: StepProgress;
}

async function commitOne(
  { run, results, names }: Delivery,
  { platform, ref, inlineCache }: Delivery["results"][number],
  { draftable, early, tell }: CommitHow,
): Promise<Committed> {
  const { request, session, signal } = run;
  const { commitAndDraft, commitRemote } = await import("@tsbuild/export");
  const { clampsAll, wantedCompression } = await import("@tsbuild/export/wanted");
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
    onPacking: early?.packing,
    onBlob: early?.blob,
    onLayer: early?.layer,
    onConfig: early?.config,
  };
  if (remote !== undefined) return { images: [commitRemote(session.store, commit, remote)] };
  const whole = await squashed(run, platform, commit);
  const isClamped = request.reproducible === true || clampsAll(request.outputs);
  const final = isClamped ? await withoutLaterTimes(run, whole) : whole;
  const { image, draft } = await commitAndDraft(session.store, final, draftable);
  return { images: [image], draft };
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

/** An image carries its own cache or none: that of its base speaks of other layers. */
function withCache(
  { [INLINE_CACHE_KEY]: _base, ...config }: ImageConfig,
  cache: string | undefined,
): ImageConfig {
  return cache === undefined ? config : { ...config, [INLINE_CACHE_KEY]: cache };
}
