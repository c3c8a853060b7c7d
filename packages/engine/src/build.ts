import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type BuildEvent, type Digest, TsbuildError } from "@tsbuild/base";
import type { CommittedImage } from "@tsbuild/export";
import type { Compiled, CompiledPlatform } from "@tsbuild/frontend";
import { formatReference, type ImageConfig, INLINE_CACHE_KEY, parseReference } from "@tsbuild/oci/documents";
import { type OpsEnvironment, resolveOp, type StepGrants, snapshotOf } from "@tsbuild/ops";
import { type Ref, type SolveResult, solve } from "@tsbuild/solver";
import { watchNeeds } from "@tsbuild/store";
import type { BuildRequest, BuildResult, OutputRequest } from "./api.ts";
import type { CacheSharing } from "./cache-sharing.ts";
import { ignoredBy, maxAgeOf } from "./cache-wishes.ts";
import { compileDockerfile } from "./compile.ts";
import { declaredArgs } from "./declared-args.ts";
import { checkEntitlements } from "./entitlements.ts";
import { asStep } from "./export-step.ts";
import { type FirstFailure, releaseStep, saveOutputs, showFailed } from "./first-failure.ts";
import { readGrants } from "./grants.ts";
import { BuildRecorder } from "./history/recorder.ts";
import { PreviousBuild, projectOf } from "./previous-build.ts";
import { compileRequest, type PreparedRequest, prepareRequest } from "./request.ts";
import type { Session } from "./session.ts";
import { type BuildSources, openSources, saveLock, useLock } from "./sources/open.ts";
import { collectAfter, finishNeeds, placeOf } from "./upkeep/after-build.ts";

export interface BuildRun {
  readonly session: Session;
  readonly request: BuildRequest;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
}

/** One build from request to result; the last event is build-finished, whatever happens. */
export async function runBuild(run: BuildRun): Promise<BuildResult> {
  const { request, session } = run;
  const recorder = new BuildRecorder(session.store, { emit: run.emit, bounds: session.settings.history });
  const { sink: emit } = recorder;
  const title = request.tags[0] ?? request.target ?? "image";
  emit({
    type: "build-started",
    at: Date.now(),
    title,
    ...(request.dockerfile === undefined ? {} : { dockerfile: request.dockerfile }),
  });
  let first: FirstFailure | undefined;
  const needs = watchNeeds(session.store);
  try {
    const result = await buildInSteps({ ...run, emit, recorder }, (failed) => {
      first = failed;
    });
    const record = recorder.finish(result);
    finishNeeds(needs, request);
    const collected = await collectAfter(session);
    emit({ type: "build-finished", at: Date.now(), record });
    return collected === undefined ? result : { ...result, collected };
  } catch (error) {
    const failure = asFailure(error, run.signal);
    finishNeeds(needs, request);
    await saveOutputs({ ...run, emit }, first);
    const record = recorder.finish({ error: failure });
    emit({ type: "build-finished", at: Date.now(), error: failure, record });
    await showFailed(run, first, failure);
    throw failure;
  }
}

function asFailure(error: unknown, signal: AbortSignal): TsbuildError {
  if (error instanceof TsbuildError) return error;
  if (signal.aborted) return new TsbuildError("TSB_CANCELED", "the build was canceled", { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new TsbuildError("TSB_STORE", message, { cause: error });
}

interface RecordedRun extends BuildRun {
  readonly recorder: BuildRecorder;
}

async function buildInSteps(
  run: RecordedRun,
  onFailed: (failed: FirstFailure) => void,
): Promise<BuildResult> {
  const { session, request, signal } = run;
  const names = request.tags.map((tag) => formatReference(parseReference(tag)));
  const grants = readGrants(request, run.env);
  run.recorder.begin(request, grants);
  // Nobody wants to hear at the end of a long build that there is nothing to load it into.
  for (const output of request.outputs) if (goesToEngine(output)) await containersFor(run, output);
  const sharing = await openSharing(run);
  const sources = await openSources({ ...run, grants, signal });
  const prepared = await prepareRequest(request, sources, run.env);
  run.recorder.dockerfile(prepared.dockerfile);
  await useLock(sources, request, prepared);
  const compiled = await compileDockerfile(
    session.store,
    compileRequest(prepared, run.env),
    sources.resolver,
  );
  warn(run, prepared, compiled);
  const [platform, ...others] = compiled.platforms;
  if (platform === undefined || others.length > 0) {
    throw new TsbuildError("TSB_UNSUPPORTED", "building for several platforms at once is not supported", {
      hint: "build one platform at a time: --platform linux/amd64",
    });
  }
  checkEntitlements(request, platform, prepared.dockerfile);
  const solved = await solvePlatform({ run, prepared, platform, sources, grants, onFailed, sharing });
  try {
    await saveLock(sources, request, prepared);
    const delivery = { run, platform, names, ref: solved.ref };
    return await (sharing === undefined ? deliver(delivery) : deliverShared(delivery, sharing, solved));
  } finally {
    solved.ref?.release();
    await sharing?.close();
  }
}

async function openSharing(run: BuildRun): Promise<CacheSharing | undefined> {
  const { cacheFrom = [], cacheTo = [] } = run.request;
  if (cacheFrom.length + cacheTo.length === 0) return undefined;
  const { CacheSharing } = await import("./cache-sharing.ts");
  return CacheSharing.open(run);
}

/** Outputs first: what they have packed is not packed again for a cache. */
async function deliverShared(
  delivery: Delivery,
  sharing: CacheSharing,
  solved: SolveResult,
): Promise<BuildResult> {
  const inlineCache = await sharing.inlineRecords(solved);
  // Two that pack one layer at the same time would do the work twice.
  await sharing.packed();
  const delivered = await deliver({ ...delivery, inlineCache }).catch(async (error: unknown) => {
    await sharing.abandon();
    throw error;
  });
  await sharing.finish(solved);
  return delivered;
}

/** A variable that is used three times in a line is worth one warning. */
function warn(run: BuildRun, prepared: PreparedRequest, compiled: Compiled): void {
  const different = new Map(compiled.warnings.map((warning) => [JSON.stringify(warning), warning]));
  for (const warning of different.values()) {
    const { rule, message, url, ranges } = warning;
    run.emit({ type: "warning", at: Date.now(), rule, message, url, ranges, file: prepared.dockerfile.file });
  }
}

interface PlatformBuild {
  readonly run: RecordedRun;
  readonly prepared: PreparedRequest;
  readonly platform: CompiledPlatform;
  readonly sources: BuildSources;
  readonly grants: StepGrants;
  readonly onFailed: (failed: FirstFailure) => void;
  readonly sharing: CacheSharing | undefined;
}

async function solvePlatform(build: PlatformBuild): Promise<SolveResult> {
  const { run, prepared, platform, sources, grants, sharing } = build;
  const { session, request, signal, emit } = run;
  const { networkProvider } = request;
  run.recorder.graph(platform.graph);
  let failed: FirstFailure | undefined;
  const env: OpsEnvironment = session.environment({
    ...sources,
    contexts: prepared.contexts,
    grants,
    networkProvider,
    isArg: declaredArgs(prepared.dockerfile.text),
    keepFailed: (step) => {
      if (failed === undefined) failed = { step, env };
      else releaseStep(step);
    },
  });
  const previous = new PreviousBuild(session.store, projectOf(request, prepared, platform), platform.graph);
  try {
    return await solve({
      graph: platform.graph,
      ignoreCache: (vertex) => ignoredBy(request, vertex),
      maxAge: (vertex) => maxAgeOf(vertex),
      earlier: (vertex) => previous.keyOf(vertex),
      onRecorded: (recorded) => previous.remember(recorded),
      resolveOp: (vertex) => run.recorder.watch(vertex, resolveOp(env, vertex)),
      storage: sharing === undefined ? session.store.cache : await sharing.storage(),
      locks: session.store.locks,
      jobs: request.jobs ?? availableParallelism(),
      signal,
      emit,
      onSaved: sharing === undefined ? undefined : (result) => sharing.saved(result),
    });
  } catch (error) {
    await sharing?.abandon();
    await sharing?.close();
    if (failed !== undefined) remember(build, failed);
    throw locate(error, platform, prepared);
  }
}

function remember({ run, onFailed }: PlatformBuild, failed: FirstFailure): void {
  onFailed(failed);
  run.recorder.keepFailed(failed.step, placeOf(run.request));
}

/** Adds the lines of the instruction that failed. */
function locate(error: unknown, platform: CompiledPlatform, prepared: PreparedRequest): unknown {
  if (!(error instanceof TsbuildError) || error.vertex === undefined) return error;
  const ranges = platform.graph.source?.locations.get(error.vertex);
  if (ranges === undefined || ranges.length === 0) return error;
  const { file, text } = prepared.dockerfile;
  return error.with({ source: { file, text, ranges } });
}

interface Delivery {
  readonly run: BuildRun;
  readonly platform: CompiledPlatform;
  readonly names: readonly string[];
  readonly ref: Ref | null;
  /** Records that the image is to carry (V030). */
  readonly inlineCache?: string | undefined;
}

/** An image carries its own cache or none: that of its base speaks of other layers. */
function withCache(
  { [INLINE_CACHE_KEY]: _base, ...config }: ImageConfig,
  cache: string | undefined,
): ImageConfig {
  return cache === undefined ? config : { ...config, [INLINE_CACHE_KEY]: cache };
}

function wantsImage(run: BuildRun, outputs: readonly OutputRequest[]): boolean {
  return (
    run.request.tags.length > 0 ||
    outputs.length === 0 ||
    outputs.some((output) => output.type !== "cacheonly")
  );
}

/** Puts the result where it was asked for. Without a name or an output it goes to the local store, nameless: nothing is dropped. */
async function deliver({ run, platform, names, ref, inlineCache }: Delivery): Promise<BuildResult> {
  const { request, session, emit, signal } = run;
  if (!wantsImage(run, request.outputs)) return finish(run, { names: [] });
  const { commitImage, exportResult, wantedCompression } = await import("@tsbuild/export");
  const snapshot = ref === null ? null : snapshotOf(ref);
  const stored =
    request.outputs.length === 0 ||
    request.tags.length > 0 ||
    request.outputs.some((output) => output.type === "image" && isStored(output));
  const image: CommittedImage = await asStep(
    emit,
    stored ? "exporting to image" : "preparing layers",
    (tell) =>
      commitImage(session.store, {
        config: withCache(platform.image, inlineCache),
        snapshot,
        names,
        platform: platform.platform,
        epochSeconds: platform.epochSeconds,
        register: stored,
        compress: wantedCompression(request.outputs),
        signal,
        onProgress: tell,
      }),
  );
  let { manifest } = image;
  let shownNames: readonly string[] = request.tags;
  for (const output of request.outputs) {
    if (output.type === "cacheonly" || (output.type === "image" && Object.keys(output.attrs).length === 0))
      continue;
    const exported = await asStep(emit, outputTitle(output, names), (tell, log) =>
      exportResult(output, image, {
        store: session.store,
        signal,
        onProgress: tell,
        onLog: log,
        containers: () => containersFor(run, output),
        registry: (options) => session.registry(options),
      }),
    );
    manifest = exported.manifest ?? manifest;
    shownNames = exported.pushed ?? shownNames;
  }
  return finish(run, { imageId: image.imageId, manifest, names: shownNames });
}

/** The exporter of images says which words are true and false. */
function isStored({ attrs }: OutputRequest): boolean {
  return attrs["store"] === undefined || /^(1|t|true)$/i.test(attrs["store"]);
}

function goesToEngine({ type, dest, attrs }: OutputRequest): boolean {
  return type === "docker" && dest === undefined && attrs["tar"] === undefined;
}

async function containersFor({ env, signal }: BuildRun, { attrs }: OutputRequest) {
  const { findContainerEngine } = await import("@tsbuild/export/container-engine");
  return findContainerEngine(env, { context: attrs["context"], signal });
}

/** `pushing registry.example/app:1`, `exporting to oci (image.tar)`. */
function outputTitle({ type, dest, attrs }: OutputRequest, names: readonly string[]): string {
  const pushes = type === "registry" || attrs["push"] === "true" || attrs["push-by-digest"] === "true";
  if (pushes) return `pushing ${attrs["name"] ?? names.join(", ")}`;
  if (type === "image") return `naming the image ${attrs["name"] ?? ""}`.trimEnd();
  if (goesToEngine({ type, dest, attrs })) return "loading into a container engine";
  return `exporting to ${type} (${dest === undefined || dest === "-" ? "standard output" : dest})`;
}

function finish(run: BuildRun, result: BuildResult): BuildResult {
  const { iidFile, metadataFile } = run.request;
  if (iidFile !== undefined && result.imageId !== undefined) writeFileSync(iidFile, result.imageId);
  if (metadataFile !== undefined)
    writeFileSync(metadataFile, `${JSON.stringify(metadataOf(result), undefined, 2)}\n`);
  return result;
}

/** The keys that buildx writes (FEATURES 2.4). */
function metadataOf(result: BuildResult): Record<string, Digest | string> {
  return {
    ...(result.manifest === undefined ? {} : { "containerimage.digest": result.manifest }),
    ...(result.imageId === undefined ? {} : { "containerimage.config.digest": result.imageId }),
    ...(result.names.length === 0 ? {} : { "image.name": result.names.join(",") }),
  };
}
