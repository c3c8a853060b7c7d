import type { Compiled } from "@tsbuild/frontend";
import { resolveOp, type StepGrants, snapshotOf } from "@tsbuild/ops";
import { type CacheRecord, type Prediction, predict } from "@tsbuild/solver";
import type { BuildPlan, PlannedStep } from "./api.ts";
import { ignoredBy, maxAgeOf } from "./cache-wishes.ts";
import type { CompleteRequest } from "./complete-request.ts";
import { declaredArgs } from "./declared-args.ts";
import { PreviousBuild, projectOf } from "./previous-build.ts";
import type { PreparedRequest } from "./request.ts";
import type { Session } from "./session.ts";
import { unitePlatforms } from "./solve-build.ts";
import type { BuildSources } from "./sources/open.ts";

export interface PlanOptions {
  readonly session: Session;
  readonly request: CompleteRequest;
  readonly prepared: PreparedRequest;
  readonly sources: BuildSources;
  readonly grants: StepGrants;
  readonly compiled: Compiled;
  readonly signal: AbortSignal;
}

/** `--call=plan`: what the build would find and run, from its records; nothing is run, downloaded or stored. */
export async function planBuild(options: PlanOptions): Promise<BuildPlan> {
  const predictions = await predictAll(options);
  return {
    steps: predictions
      .filter(({ verdict }) => verdict !== "read")
      .map((prediction) => plannedStep(options.session, prediction)),
  };
}

/** All platforms as one graph, as the build would solve it. */
function predictAll({
  session,
  request,
  prepared,
  sources,
  grants,
  compiled,
  signal,
}: PlanOptions): Promise<readonly Prediction[]> {
  const env = session.environment({
    ...sources,
    contexts: prepared.contexts,
    grants,
    networkProvider: request.networkProvider,
    isArg: declaredArgs(prepared.dockerfile.text),
  });
  const { graph, others } = unitePlatforms(compiled.platforms);
  const previous = new PreviousBuild(session.store, projectOf(request, prepared, compiled.platforms), graph);
  return predict({
    graph,
    others,
    resolveOp: (vertex) => resolveOp(env, vertex),
    ignoreCache: (vertex) => ignoredBy(request, vertex),
    maxAge: (vertex) => maxAgeOf(request, vertex),
    earlier: (vertex) => previous.keyOf(vertex),
    storage: session.store.cache,
    signal,
  });
}

function plannedStep(session: Session, { record, verdict, ...about }: Prediction): PlannedStep {
  const known =
    record === undefined ? {} : { durationMs: record.durationMs, sizeBytes: layerSize(session, record) };
  return { ...about, verdict: verdict === "read" ? "cached" : verdict, ...known };
}

/** Bytes of the topmost layer of a result; undefined when it is gone, empty, or was never measured for an image. */
function layerSize({ store }: Session, record: CacheRecord): number | undefined {
  const ref = store.cache.load(record);
  if (ref === undefined) return undefined;
  try {
    const snapshot = snapshotOf(ref);
    return snapshot === null ? undefined : store.snapshots.topLayer(snapshot).sizeBytes;
  } finally {
    ref.release();
  }
}
