/** Any RUN of a recorded build, as something that a shell can be opened in. */
import { type SnapshotId, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { decodeOp, type ExecOp } from "@tsbuild/llb";
import type { BuildHistory } from "./history/read.ts";
import type { BuildRecord, RecordedFolder, StepRecord } from "./history/record.ts";

/** What is left of a step after its build: names of snapshots, which may have been pruned. */
export interface RememberedStep {
  readonly vertex: VertexDigest;
  readonly name: string;
  /** The marshalled op, base64. */
  readonly op: string;
  /** Per input; null: scratch, undefined: not kept. */
  readonly inputs: readonly (SnapshotId | RecordedFolder | null | undefined)[];
  /** Its root filesystem afterwards; null: empty, undefined: not kept. */
  readonly after: SnapshotId | null | undefined;
}

/**
 * Finds a step by build and step as `tsbuild history` names them; without a step the one that failed, else the last RUN. A step that came
 * from the cache is looked up where it ran. Throws TSB_USAGE.
 */
export function recordedStep(
  history: BuildHistory,
  words: { readonly build: string; readonly step?: string | undefined },
): RememberedStep {
  const build = history.find(words.build);
  const step = words.step === undefined ? mostWanted(build) : history.step(build, words.step);
  const ran = step.op === undefined ? history.lastRun(build, step)?.step : step;
  if (ran?.op === undefined) throw notRunnable(build, step);
  return remembered(ran, ran.op);
}

/** The RUNs that failed, of all builds, the newest first; what they left may be gone. */
export function failedSteps(history: BuildHistory): RememberedStep[] {
  return history
    .list()
    .flatMap(({ steps }) => steps)
    .flatMap((step) =>
      step.status === "failed" && step.op !== undefined ? [remembered(step, step.op)] : [],
    );
}

function mostWanted(build: BuildRecord): StepRecord {
  const runs = build.steps.filter(({ op }) => op !== undefined);
  const step = runs.find(({ status }) => status === "failed") ?? runs.at(-1);
  if (step !== undefined) return step;
  throw new TsbuildError("TSB_USAGE", `no RUN ran in the build ${build.id}`, {
    hint: `name a step of it, also one from the cache: tsbuild shell ${build.id} STEP (tsbuild history show ${build.id} lists them)`,
  });
}

function notRunnable(build: BuildRecord, step: StepRecord): TsbuildError {
  const cached = step.status === "cached";
  const why = cached ? "came from the cache, and no build that ran it is recorded" : "is no RUN that ran";
  return new TsbuildError("TSB_USAGE", `the step ${step.number} of ${build.id} ${why}: ${step.name}`, {
    hint: cached
      ? "run it again: tsbuild build --no-cache-filter STAGE ."
      : `tsbuild history show ${build.id} lists the steps`,
  });
}

function remembered(step: StepRecord, op: string): RememberedStep {
  const { kind } = decodeOp(Buffer.from(op, "base64"));
  if (kind?.type !== "exec") throw new Error("assertion failed: a recorded RUN that is no exec");
  const root = rootOf(kind);
  const known = step.inputSnapshots ?? [];
  const after = root === undefined || root.output < 0 ? undefined : step.outputSnapshots?.[root.output];
  return {
    vertex: step.vertex,
    name: step.name,
    op,
    // Null says "none, or read in place": only a root filesystem can be none.
    inputs: known.map((id, input) => {
      if (id !== null) return id as SnapshotId;
      return step.inputFolders?.[input] ?? (input === root?.input ? null : undefined);
    }),
    after: after as SnapshotId | null | undefined,
  };
}

function rootOf(kind: ExecOp): ExecOp["mounts"][number] | undefined {
  return kind.mounts.find(({ dest }) => dest === "/");
}
