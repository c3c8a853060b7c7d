import { availableParallelism } from "node:os";
import { TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { type Graph, sourceLocation, type UnitedGraph, uniteGraphs } from "@tsbuild/llb";
import { type OpsEnvironment, resolveOp, type StepGrants } from "@tsbuild/ops";
import { type CacheStorage, type SolveResult, startSolve } from "@tsbuild/solver";
import type { RecordedRun } from "./build.ts";
import type { CacheSharing } from "./cache-sharing.ts";
import { ignoredBy, maxAgeOf } from "./cache-wishes.ts";
import { declaredArgs } from "./declared-args.ts";
import { type FirstFailure, releaseStep } from "./first-failure.ts";
import { jobMemory } from "./job-memory.ts";
import { largeContextWarnings } from "./large-context.ts";
import type { PackAhead } from "./pack-ahead.ts";
import { PreviousBuild, projectOf } from "./previous-build.ts";
import type { PreparedRequest } from "./request.ts";
import type { BuildSources } from "./sources/open.ts";
import { unsavedStorage } from "./unsaved-storage.ts";
import { placeOf } from "./upkeep/after-build.ts";
import { Watchdog, watchdogSeconds } from "./watchdog.ts";

/**
 * Steps at the same time unless the build says how many. Ready steps run at once (V025): many of them wait for a network or a disk, and what they
 * take of memory is limited by itself. The bound is for graphs of hundreds.
 */
const LEAST_JOBS = 16;
const JOBS_PER_PROCESSOR = 4;

/** What is solved, and with what. */
export interface BuildToSolve {
  readonly run: RecordedRun;
  readonly prepared: PreparedRequest;
  /** In the order of the flag. */
  readonly platforms: readonly CompiledPlatform[];
  /** What else is to be solved, such as a scan of the results; their results come after those of the platforms. */
  readonly more?: readonly Graph[] | undefined;
  readonly sources: BuildSources;
  readonly grants: StepGrants;
  readonly onFailed: (failed: FirstFailure) => void;
  readonly sharing: CacheSharing | undefined;
  /** The outputs take layers that are elsewhere (`outputsPassOn`). */
  readonly passesOn?: boolean | undefined;
  readonly packing: PackAhead;
  /** Told when a step is at work and this thread is not. */
  readonly onRunning?: (() => void) | undefined;
}

/** The graphs of all platforms as one: what they have in common (stages of the build platform, contexts) is in it once. */
export function unitePlatforms(
  platforms: readonly CompiledPlatform[],
  more: readonly Graph[] = [],
): UnitedGraph {
  const [first, ...others] = platforms.map(({ graph }) => graph);
  if (first === undefined) throw new Error("assertion failed: a build has a platform");
  return uniteGraphs(first, ...others, ...more);
}

/** Solves the graphs of all platforms in one; one that fails cancels the others. */
export async function solveBuild(build: BuildToSolve): Promise<SolveResult> {
  const { run, prepared, platforms, sources, grants, sharing } = build;
  const { session, request, signal, emit } = run;
  const { networkProvider } = request;
  const { graph, others } = unitePlatforms(platforms, build.more);
  run.recorder.graph(graph);
  const isPassedOn = build.passesOn === true ? onlyLeaves({ graph, others }) : () => false;
  sharing?.passOn(isPassedOn);
  const watchdog = new Watchdog(watchdogSeconds(run.env), emit);
  let failed: FirstFailure | undefined;
  const env: OpsEnvironment = session.environment({
    ...sources,
    contexts: prepared.contexts,
    grants,
    networkProvider,
    isArg: declaredArgs(prepared.dockerfile.text),
    onLargeContext: largeContextWarnings(emit),
    onRunning: build.onRunning,
    isPassedOn,
    keepFailed: (step) => {
      if (failed === undefined) failed = { step, env };
      else releaseStep(step);
    },
  });
  const previous = new PreviousBuild(session.store, projectOf(request, prepared, platforms), graph);
  try {
    const running = startSolve({
      graph,
      others,
      ignoreCache: (vertex) => ignoredBy(request, vertex),
      maxAge: (vertex) => maxAgeOf(request, vertex),
      earlier: (vertex) => previous.keyOf(vertex),
      onRecorded: (recorded) => {
        if (request.rebuildAll) return;
        previous.remember(recorded, { emit, peakMemoryOf: (vertex) => run.recorder.peakMemoryOf(vertex) });
      },
      resolveOp: (vertex) => build.packing.watch(vertex, run.recorder.watch(vertex, resolveOp(env, vertex))),
      storage: await storageOf(build),
      locks: session.store.locks,
      jobs: request.jobs ?? Math.max(LEAST_JOBS, JOBS_PER_PROCESSOR * availableParallelism()),
      memory: jobMemory(request.jobsMemory, run.env, (vertex) => previous.peakMemoryOf(vertex)),
      signal,
      emit: watchdog.emit,
      onSaved: sharing === undefined ? undefined : (result) => sharing.saved(result),
    });
    return await watchdog.watch(running);
  } catch (error) {
    await sharing?.abandon();
    await sharing?.close();
    if (failed !== undefined) remember(build, failed);
    throw locate(error, graph);
  }
}

/** Tells of a vertex whether its result is one of the build's and nothing is made of it. */
function onlyLeaves({ graph, others }: UnitedGraph): (vertex: VertexDigest) => boolean {
  const used = new Set(graph.vertices.flatMap(({ op }) => op.inputs.map(({ digest }) => digest)));
  const results = new Set([graph.result, ...others].map((result) => result?.digest));
  return (vertex) => results.has(vertex) && !used.has(vertex);
}

async function storageOf({ run, sharing }: BuildToSolve): Promise<CacheStorage> {
  const storage = sharing === undefined ? run.session.store.cache : await sharing.storage();
  return run.request.rebuildAll ? unsavedStorage(storage) : storage;
}

function remember({ run, onFailed }: BuildToSolve, failed: FirstFailure): void {
  onFailed(failed);
  run.recorder.keepFailed(failed.step, placeOf(run.request));
}

/** Adds the lines of the instruction that failed. */
function locate(error: unknown, graph: Graph): unknown {
  if (!(error instanceof TsbuildError) || error.vertex === undefined) return error;
  const source = sourceLocation(graph, error.vertex);
  return source === undefined ? error : error.with({ source });
}
