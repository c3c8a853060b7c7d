import { type BuildEvent, TsbuildError } from "@tsbuild/base";
import { isLoad } from "@tsbuild/export/load-output";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { formatReference, parseReference } from "@tsbuild/oci/documents";
import type { Ref } from "@tsbuild/solver";
import { watchNeeds } from "@tsbuild/store";
import type { BuildResult } from "./api.ts";
import type { SbomGraphs } from "./attest/sbom.ts";
import type { CacheSharing } from "./cache-sharing.ts";
import { uselessWishes } from "./cache-wishes.ts";
import { compileDockerfile } from "./compile.ts";
import type { CompleteRequest } from "./complete-request.ts";
import { containersFor } from "./deliver.ts";
import { deliverAll, deliveriesOf } from "./deliver-targets.ts";
import { checkEntitlements } from "./entitlements.ts";
import { type FirstFailure, saveOutputs, showFailed } from "./first-failure.ts";
import { readGrants } from "./grants.ts";
import { BuildRecorder } from "./history/recorder.ts";
import { LaterEvents } from "./later-events.ts";
import { loadAhead } from "./load-ahead.ts";
import { packAhead } from "./pack-ahead.ts";
import { outputsPassOn } from "./pass-on.ts";
import { compileRequest, type PreparedRequest, prepareRequest } from "./request.ts";
import { writeResultFiles } from "./result-files.ts";
import type { Session } from "./session.ts";
import { solveBuild } from "./solve-build.ts";
import { type BuildSources, openSources, saveLock, useLock } from "./sources/open.ts";
import { type BuildTarget, compileTargets, skippedStages } from "./targets.ts";
import { collectAfter, finishNeeds } from "./upkeep/after-build.ts";

export interface BuildRun {
  readonly session: Session;
  readonly request: CompleteRequest;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
}

/** One build from request to result; the last event is build-finished, whatever happens. */
export async function runBuild(run: BuildRun): Promise<BuildResult> {
  const { request, session } = run;
  const recorder = new BuildRecorder(session.store, { emit: run.emit, bounds: session.settings.history });
  const later = new LaterEvents(recorder.sink);
  const { emit } = later;
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
    later.flush();
    await recorder.settle();
    const record = recorder.finish(result);
    finishNeeds(needs, request);
    const collected = await collectAfter(session);
    emit({ type: "build-finished", at: Date.now(), record });
    later.flush();
    return collected === undefined ? result : { ...result, collected };
  } catch (error) {
    const failure = asFailure(error, run.signal);
    finishNeeds(needs, request);
    await saveOutputs({ ...run, emit }, first);
    later.flush();
    await recorder.settle();
    const record = recorder.finish({ error: failure });
    emit({ type: "build-finished", at: Date.now(), error: failure, record });
    later.flush();
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
  if (request.outputs.some(({ attrs }) => Object.keys(attrs).length > 0))
    (await import("@tsbuild/export/wanted")).checkOutputs(request.outputs);
  for (const output of request.outputs) if (isLoad(output)) await containersFor(run, output);
  await checkAttestations(request);
  const sharing = await openSharing(run);
  const sources = await openSources({ ...run, grants, signal });
  const prepared = await prepareRequest(request, sources, run.env);
  run.recorder.dockerfile(prepared.dockerfile);
  await useLock(sources, request, prepared);
  const asked = compileRequest(prepared, run.env);
  const compiled = await compileTargets(request, (target) =>
    compileDockerfile(session.store, { ...asked, target }, sources.resolver),
  );
  warn(run, prepared, compiled);
  const [main, ...others] = compiled;
  const targets = [{ ...main, platforms: await finalConfigs(request, main.platforms) }, ...others];
  const platforms = targets.flatMap((target) => target.platforms);
  for (const platform of platforms) checkEntitlements(request, platform);
  await checkFits(targets);
  const delivered = targets.flatMap((target) => (target.isDelivered ? target.platforms : []));
  const sboms = await sbomsFor(request, delivered, sources);
  const more = sboms.flatMap(({ graphs }) => graphs);
  const ahead = loadAhead(session, request, targets);
  const packing = await packAhead(run, targets);
  const { onRunning } = ahead;
  const solving = solveBuild({
    run,
    prepared,
    platforms,
    more,
    sources,
    grants,
    onFailed,
    sharing,
    packing,
    onRunning,
    passesOn: await allPassOn(targets),
  });
  const solved = await solving.finally(ahead.stop).catch(async (error: unknown) => {
    await packing.end();
    throw error;
  });
  session.store.beginSync();
  const refs = [solved.ref, ...solved.others.map(({ ref }) => ref)];
  try {
    await saveLock(sources, request, prepared);
    const sbomRefs = shares(refs.slice(platforms.length), sboms);
    const build = { run, prepared, sources, grants };
    const deliveries = deliveriesOf(build, { targets, names, refs, sbomRefs });
    const done = await deliverAll(deliveries, sharing, solved);
    await writeResultFiles(run, done, {
      warnings: compiled.flatMap((target) => target.compiled.warnings),
      provenance: async (mode, image, name) => {
        const { provenanceFor } = await import("./attest/attestations.ts");
        const target = targets.find((one) => one.name === name) ?? main;
        return provenanceFor(build, { mode, image, platforms: target.platforms });
      },
    });
    const skipped = skippedStages(targets);
    return { ...done[0].result, ...(skipped.length === 0 ? {} : { skippedStages: skipped }) };
  } finally {
    await packing.end();
    for (const ref of refs) ref?.release();
    await sharing?.close();
  }
}

async function allPassOn(targets: readonly BuildTarget[]): Promise<boolean> {
  for (const { isDelivered, request } of targets)
    if (isDelivered && !(await outputsPassOn(request))) return false;
  return true;
}

/** Options of outputs, held against the platforms and times that are going to be built. */
async function checkFits(targets: readonly BuildTarget[]): Promise<void> {
  for (const { request, platforms } of targets) {
    const { outputs, attestations = [], tags: names } = request;
    if (outputs.every(({ type, attrs }) => type !== "registry" && Object.keys(attrs).length === 0)) continue;
    const { checkFit } = await import("@tsbuild/export/wanted");
    checkFit(outputs, platforms, { isAttested: attestations.length > 0, names });
  }
}

/** What flags make of the configs. Throws TSB_USAGE, before anything runs, when they do not fit. */
async function finalConfigs(
  request: CompleteRequest,
  platforms: readonly CompiledPlatform[],
): Promise<readonly CompiledPlatform[]> {
  const { unset = [], squash } = request;
  if (squash !== undefined) (await import("./squash.ts")).checkSquash(request, platforms);
  return unset.length === 0 ? platforms : (await import("./unset.ts")).unsetAll(platforms, unset);
}

async function sbomsFor(
  request: CompleteRequest,
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

async function checkAttestations({ attestations = [] }: CompleteRequest): Promise<void> {
  if (attestations.length === 0) return;
  (await import("./attest/attestations.ts")).checkAttestations(attestations);
}

async function openSharing(run: BuildRun): Promise<CacheSharing | undefined> {
  const { cacheFrom = [], cacheTo = [] } = run.request;
  if (cacheFrom.length + cacheTo.length === 0) return undefined;
  const { CacheSharing } = await import("./cache-sharing.ts");
  return CacheSharing.open(run);
}

/** A variable that is used three times in a line is worth one warning. */
function warn(run: BuildRun, prepared: PreparedRequest, targets: readonly BuildTarget[]): void {
  const warnings = targets.flatMap(({ compiled }) => compiled.warnings);
  const different = new Map(warnings.map((warning) => [JSON.stringify(warning), warning]));
  for (const warning of different.values()) {
    const { rule, message, url, ranges } = warning;
    run.emit({ type: "warning", at: Date.now(), rule, message, url, ranges, file: prepared.dockerfile.file });
  }
  const graphs = targets.flatMap(({ compiled }) => compiled.platforms.map(({ graph }) => graph));
  const vertices = graphs.flatMap((graph) => graph.vertices);
  for (const message of uselessWishes(run.request, vertices))
    run.emit({ type: "warning", at: Date.now(), message });
}
