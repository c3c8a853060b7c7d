import { type BuildEvent, TsbuildError } from "@tsbuild/base";
import type { Compiled, CompiledPlatform } from "@tsbuild/frontend";
import { formatReference, parseReference } from "@tsbuild/oci/documents";
import type { Ref, SolveResult } from "@tsbuild/solver";
import { watchNeeds } from "@tsbuild/store";
import type { BuildRequest, BuildResult } from "./api.ts";
import type { AttestBuild } from "./attest/attestations.ts";
import type { SbomGraphs } from "./attest/sbom.ts";
import type { CacheSharing } from "./cache-sharing.ts";
import { compileDockerfile } from "./compile.ts";
import {
  containersFor,
  type Delivered,
  type Delivery,
  deliver,
  goesToEngine,
  type PlatformResult,
} from "./deliver.ts";
import { checkEntitlements } from "./entitlements.ts";
import { type FirstFailure, saveOutputs, showFailed } from "./first-failure.ts";
import { readGrants } from "./grants.ts";
import { BuildRecorder } from "./history/recorder.ts";
import { compileRequest, type PreparedRequest, prepareRequest } from "./request.ts";
import { writeResultFiles } from "./result-files.ts";
import type { Session } from "./session.ts";
import { solveBuild } from "./solve-build.ts";
import { type BuildSources, openSources, saveLock, useLock } from "./sources/open.ts";
import { collectAfter, finishNeeds } from "./upkeep/after-build.ts";

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

/** A build whose events are kept. */
export interface RecordedRun extends BuildRun {
  readonly recorder: BuildRecorder;
}

/** The same build with the labels that its repository gives it, where that is asked for (C056). */
async function withVcsLabels(run: RecordedRun): Promise<RecordedRun> {
  if (!run.env["BUILDX_GIT_LABELS"]) return run;
  const { vcsLabels } = await import("./attest/vcs.ts");
  const labels = { ...(await vcsLabels(run.request, run.env)), ...run.request.labels };
  return { ...run, request: { ...run.request, labels } };
}

async function buildInSteps(
  given: RecordedRun,
  onFailed: (failed: FirstFailure) => void,
): Promise<BuildResult> {
  const run = await withVcsLabels(given);
  const { session, request, signal } = run;
  const names = request.tags.map((tag) => formatReference(parseReference(tag)));
  const grants = readGrants(request, run.env);
  run.recorder.begin(request, grants);
  // Nobody wants to hear at the end of a long build that there is nothing to load it into.
  for (const output of request.outputs) if (goesToEngine(output)) await containersFor(run, output);
  await checkAttestations(request);
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
  const platforms = await finalConfigs(request, compiled.platforms);
  for (const platform of platforms) checkEntitlements(request, platform, prepared.dockerfile);
  const sboms = await sbomsFor(request, platforms, sources);
  const more = sboms.flatMap(({ graphs }) => graphs);
  const solved = await solveBuild({ run, prepared, platforms, more, sources, grants, onFailed, sharing });
  const refs = [solved.ref, ...solved.others.map(({ ref }) => ref)];
  try {
    await saveLock(sources, request, prepared);
    const results = platforms.map((platform, at): PlatformResult => ({ platform, ref: refs[at] ?? null }));
    const delivery = {
      run,
      results,
      names,
      attest: attestFor(
        { run, prepared, sources, grants },
        { platforms, sbomRefs: shares(refs.slice(platforms.length), sboms) },
      ),
    };
    const delivered = await (sharing === undefined
      ? deliver(delivery)
      : deliverShared(delivery, sharing, solved));
    await writeResultFiles(request, delivered);
    return delivered.result;
  } finally {
    for (const ref of refs) ref?.release();
    await sharing?.close();
  }
}

/** What flags make of the configs. Throws TSB_USAGE, before anything runs, when they do not fit. */
async function finalConfigs(
  request: BuildRequest,
  platforms: readonly CompiledPlatform[],
): Promise<readonly CompiledPlatform[]> {
  const { unset = [], squash } = request;
  if (squash !== undefined) (await import("./squash.ts")).checkSquash(request, platforms);
  return unset.length === 0 ? platforms : (await import("./unset.ts")).unsetAll(platforms, unset);
}

async function sbomsFor(
  request: BuildRequest,
  platforms: readonly CompiledPlatform[],
  { resolver }: BuildSources,
): Promise<readonly SbomGraphs[]> {
  if (!(request.attestations ?? []).some(({ type }) => type === "sbom")) return [];
  return (await import("./attest/sbom.ts")).sbomGraphs(request, platforms, resolver);
}

/** The results of each platform's own graphs. */
function shares(refs: readonly (Ref | null)[], sboms: readonly SbomGraphs[]): readonly (Ref | null)[][] {
  let at = 0;
  return sboms.map(({ graphs }) => {
    const own = refs.slice(at, at + graphs.length);
    at += graphs.length;
    return own;
  });
}

async function checkAttestations({ attestations = [] }: BuildRequest): Promise<void> {
  if (attestations.length === 0) return;
  (await import("./attest/attestations.ts")).checkAttestations(attestations);
}

/** Nothing of it is loaded by a build that asks for none. */
function attestFor(
  build: AttestBuild,
  {
    platforms,
    sbomRefs,
  }: {
    readonly platforms: readonly CompiledPlatform[];
    readonly sbomRefs: readonly (readonly (Ref | null)[])[];
  },
): Delivery["attest"] {
  if ((build.run.request.attestations ?? []).length === 0) return undefined;
  return async (images) => {
    const { attestImages } = await import("./attest/attestations.ts");
    const results = images.flatMap((image, at) => {
      const platform = platforms[at];
      return platform === undefined ? [] : [{ platform, image, sbomRefs: sbomRefs[at] ?? [] }];
    });
    return attestImages(build, results);
  };
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
): Promise<Delivered> {
  const results: PlatformResult[] = [];
  for (const result of delivery.results)
    results.push({ ...result, inlineCache: await sharing.inlineRecords(solved, result.ref) });
  // Two that pack one layer at the same time would do the work twice.
  await sharing.packed();
  const delivered = await deliver({ ...delivery, results }).catch(async (error: unknown) => {
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
