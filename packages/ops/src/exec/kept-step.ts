/** A failed step stays as it was, so that somebody can look into it (B026, W002). */
import type { VertexDigest } from "@tsbuild/base";
import type { ExecOp, Op } from "@tsbuild/llb";
import type { Ref } from "@tsbuild/solver";
import { refForSnapshot, type WritableView } from "@tsbuild/store";
import type { OpsEnvironment } from "../environment.ts";
import { followDestination } from "../file/target.ts";
import { openTree } from "../tree.ts";
import { type DebugTools, openTools, TOOLS_FOLDER } from "./debug-tools.ts";
import { DEFAULT_PATH } from "./environment.ts";
import { mountTarget } from "./mount-target.ts";
import { type ExecRun, type ProcessIo, runThrowaway } from "./run.ts";

export { openTools, openTree, TOOLS_FOLDER };

export interface KeptStep {
  readonly vertex: VertexDigest;
  readonly op: Op & { readonly kind: ExecOp };
  /** Inputs of its mounts; the state before the step is among them. */
  readonly inputs: readonly Ref[];
  /** Its root filesystem when it failed. */
  readonly after: Ref;
}

/**
 * Hands the layer of a failed step to whoever keeps such steps, or throws it away. A layer that cannot be kept (the disk is full: often why
 * the step failed) must not hide the step's own error: it is a line in its log.
 */
export async function keepFailed(run: ExecRun, root: WritableView): Promise<void> {
  const { env, op, inputs, context } = run;
  if (env.keepFailed === undefined) return root.discard();
  let after: Ref;
  try {
    after = refForSnapshot(env.store, await root.commit());
  } catch (error) {
    const data = new TextEncoder().encode(`tsbuild: the files of the step were not kept: ${String(error)}\n`);
    context.emit({ type: "log", at: Date.now(), vertex: context.vertex, stream: 2, data });
    return root.discard();
  }
  env.keepFailed({ vertex: context.vertex, op, inputs: inputs.map((ref) => ref.clone()), after });
}

const SHELLS = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash", "/busybox/sh"];

/** Shells that the step's image has, the best first. */
export async function shellsOf(env: OpsEnvironment, root: Ref): Promise<readonly string[]> {
  const tree = await openTree(env, root);
  try {
    return SHELLS.filter((path) => {
      const at = followDestination(env.fs, tree.root, path.slice(1));
      return env.fs.statInRoot(tree.root, at, true) !== undefined;
    });
  } finally {
    tree.close();
  }
}

/** The state that a shell starts in: a root filesystem of the step. */
export function stateOf(step: KeptStep, state: "before" | "after"): Ref | undefined {
  if (state === "after") return step.after;
  const root = step.op.kind.mounts.find((mount) => mountTarget(step.op.kind, mount.dest) === "/");
  return root === undefined ? undefined : step.inputs[root.input];
}

/**
 * Runs a program in a step's world on the caller's terminal: its environment, folder, user, mounts and network. What it writes is
 * thrown away, but for cache mounts. Resolves with the exit code.
 */
export async function runInStep(
  env: OpsEnvironment,
  step: KeptStep,
  options: {
    readonly state: Ref;
    readonly args: readonly string[];
    readonly signal: AbortSignal;
    readonly onStart?: ProcessIo["onStart"];
    /** Mounted too, and last in its PATH. */
    readonly tools?: DebugTools | undefined;
  },
): Promise<number> {
  const { kind } = step.op;
  const { args, tools } = options;
  const mounts = kind.mounts.map((mount) =>
    mountTarget(kind, mount.dest) === "/"
      ? { ...mount, input: step.inputs.length, output: -1, readonly: false }
      : { ...mount, output: -1 },
  );
  const variables = tools === undefined ? kind.meta.env : withTools(kind.meta.env);
  const op = { ...step.op, kind: { ...kind, mounts, meta: { ...kind.meta, args, env: variables } } };
  const context = { vertex: step.vertex, signal: options.signal, emit: () => undefined, ignoreCache: false };
  const extraMounts = tools === undefined ? [] : [tools.mount];
  const run = { env, op, inputs: [...step.inputs, options.state], context, extraMounts };
  const nowhere = (): void => undefined;
  const io: ProcessIo = {
    stdout: nowhere,
    stderr: nowhere,
    stdio: "terminal",
    onStart: options.onStart,
  };
  return (await runThrowaway(run, io)).exitCode;
}

function withTools(variables: readonly string[]): readonly string[] {
  const path = variables.findLast((one) => one.startsWith("PATH=")) ?? DEFAULT_PATH;
  return [...variables.filter((one) => !one.startsWith("PATH=")), `${path}:${TOOLS_FOLDER}`];
}
