import { digestHex, TsbuildError } from "@tsbuild/base";
import type { ExecOp, Op } from "@tsbuild/llb";
import {
  type ExecIo,
  type ExecMount,
  type ExecOutcome,
  type ExecSpec,
  knowsOneId,
  mountPoints,
} from "@tsbuild/sandbox";
import type { OpContext, Ref } from "@tsbuild/solver";
import { refForSnapshot, type WritableView } from "@tsbuild/store";
import { cleanPath } from "../content/locate.ts";
import type { OpsEnvironment } from "../environment.ts";
import { folderAt, followDestination } from "../file/target.ts";
import { snapshotOf } from "../tree.ts";
import { dropUnchanged } from "../unchanged.ts";
import { expectStep } from "./expect-step.ts";
import { secretVariables } from "./grant-mounts.ts";
import { keepFailed } from "./kept-step.ts";
import { mountTarget } from "./mount-target.ts";
import { prepareMounts, type StepMounts } from "./mounts.ts";
import { acquireNetwork, type StepNetwork } from "./network.ts";
import { networkFiles } from "./network-files.ts";
import { tellOnce } from "./notice.ts";
import { failureOf } from "./outcome.ts";
import { StepRoot } from "./root-facts.ts";
import { startTurn } from "./start-turn.ts";
import { type StepParts, stepSpec } from "./step-spec.ts";
import { stubUnderlay } from "./stub-underlay.ts";
import { dropCopiedFolders, removeStubs, type Stubs } from "./stubs.ts";
import { withHiddenModes } from "./tmpfs-mode.ts";

export interface ExecRun {
  readonly env: OpsEnvironment;
  readonly op: Op & { readonly kind: ExecOp };
  readonly inputs: readonly Ref[];
  readonly context: OpContext;
  /** Beyond those of the op. */
  readonly extraMounts?: readonly ExecMount[] | undefined;
}

/** Where a process's output goes; by default to the log of its vertex. */
export interface ProcessIo {
  readonly stdout: (chunk: Uint8Array) => void;
  readonly stderr: (chunk: Uint8Array) => void;
  /** Where its input comes from, and whether it has a terminal; see ExecSpec. */
  readonly stdio: ExecSpec["stdio"];
  /** Hears how to send it signals; see ExecIo. */
  readonly onStart?: ExecIo["onStart"];
}

/** Runs a step: mounts, user and environment from the root filesystem, the process, then what it wrote becomes its outputs. */
export async function runExec(run: ExecRun): Promise<readonly Ref[]> {
  if (run.env.isolation !== "chroot") await expectStep(run);
  const startedNs = BigInt(Date.now()) * 1_000_000n;
  return withRoot(run, async ({ root, mounts, rootOutput, started }) => {
    const io = logIo(run);
    const ended = await runInRoot(run, { root, mounts, io, started }).finally(() => io.end());
    const { outcome, spec, stubs } = ended;
    run.context.measured?.({ peakMemoryBytes: outcome.peakMemoryBytes, cpuMs: (outcome.cpuUs ?? 0) / 1000 });
    const { fs, grants } = run.env;
    const ending = {
      ...spec,
      op: run.op.kind,
      outcome,
      fs,
      root: root.root,
      resources: grants.resources,
      singleId: knowsOneId(),
    };
    const failure = failureOf(ending);
    removeStubs(run.env.fs, root.root, stubs);
    return async () => {
      dropCopiedFolders(run.env.fs, root.active, stubs);
      if (failure === undefined) {
        const { fs, store } = run.env;
        await dropUnchanged({ fs, views: store.views, active: root.active, startedNs });
        return collectOutputs(run.env, { root, rootOutput, mounts });
      }
      await keepFailed(run, root);
      throw failure;
    };
  });
}

/** Runs a process whose files nobody wants; tells how it ended. */
export async function runThrowaway(run: ExecRun, io: ProcessIo): Promise<ExecOutcome> {
  return withRoot(run, async ({ root, mounts, started }) => {
    const { outcome } = await runInRoot(run, { root, mounts, io, started });
    return () => {
      root.discard();
      return outcome;
    };
  });
}

interface OpenedRoot {
  readonly root: WritableView;
  readonly mounts: StepMounts;
  readonly rootOutput: number;
  /** To be called when the process is on its way: then the next step is prepared (see `startTurn`). */
  readonly started: () => void;
}

/**
 * Prepares root and mounts, does the work, closes the root's view and only then lets `work`'s answer look at the layer: overlayfs wants
 * its upper folder left alone while it is mounted.
 */
async function withRoot<T>(
  run: ExecRun,
  work: (opened: OpenedRoot) => Promise<() => T | Promise<T>>,
): Promise<T> {
  const { env, op, inputs } = run;
  const rootMount = op.kind.mounts.find((mount) => mountTarget(op.kind, mount.dest) === "/");
  const rootRef = rootMount === undefined ? undefined : inputs[rootMount.input];
  /* Where no step can run that is said, not what the mounts before it lack. */
  if (env.isolation !== "chroot") await env.sandbox();
  const mounts = await prepareMounts({ env, op: op.kind, inputs, context: run.context });
  // Copying a tree takes its time, and needs no turn.
  const started = (await env.store.views.kind()) === "overlay" ? await startTurn(env.store) : () => undefined;
  try {
    const parent = rootRef === undefined ? null : snapshotOf(rootRef);
    const root = await env.store.views.prepare(parent, { underlay: stubUnderlay(env, op.kind) });
    let finish: () => T | Promise<T>;
    try {
      finish = await work({ root, mounts, rootOutput: rootMount?.output ?? -1, started });
      await root.seal();
    } catch (error) {
      root.discard();
      throw error;
    }
    return await finish();
  } finally {
    started();
    mounts.close();
  }
}

/** The vertex's log, without the values of secrets (W011). */
function logIo({ context, env }: ExecRun): ProcessIo & { readonly end: () => void } {
  const { mask } = env.grants;
  const log = (stream: 1 | 2) => (data: Uint8Array) =>
    context.emit({ type: "log", at: Date.now(), vertex: context.vertex, stream, data });
  if (mask.isEmpty) return { stdout: log(1), stderr: log(2), stdio: "log", end: () => undefined };
  const [out, err] = [mask.stream(log(1)), mask.stream(log(2))];
  const end = (): void => {
    out.end();
    err.end();
  };
  return { stdout: out.write, stderr: err.write, stdio: "log", end };
}

async function collectOutputs(
  env: OpsEnvironment,
  parts: { readonly root: WritableView; readonly rootOutput: number; readonly mounts: StepMounts },
): Promise<readonly Ref[]> {
  const outputs: Ref[] = [];
  if (parts.rootOutput < 0) parts.root.discard();
  else outputs[parts.rootOutput] = refForSnapshot(env.store, await parts.root.commit());
  for (const output of [...parts.mounts.outputs.keys()]) {
    outputs[output] = refForSnapshot(env.store, await parts.mounts.commit(output));
  }
  return outputs;
}

interface RootRun extends Omit<OpenedRoot, "rootOutput"> {
  readonly io: ProcessIo;
}

interface Ended {
  readonly outcome: ExecOutcome;
  readonly spec: ExecSpec;
  readonly stubs: Stubs;
}

/** Runs the process on an open root; tells how it ended and what was made only to hang mounts on. */
async function runInRoot(run: ExecRun, opened: RootRun): Promise<Ended> {
  const network = await acquireNetwork(run);
  try {
    return await runWithNetwork(run, opened, network);
  } finally {
    await network.release();
  }
}

async function runWithNetwork(
  run: ExecRun,
  { root, mounts, io, started }: RootRun,
  network: StepNetwork,
): Promise<Ended> {
  const { env, op, context } = run;
  const emulation = op.platform === undefined ? undefined : await env.emulation?.(op.platform, context);
  if (op.kind.meta.args.length === 0) throw noCommand();
  const files = networkFiles(env, op.kind, network);
  try {
    const stepRoot = new StepRoot(env, root);
    const spec = execSpec(run, root, {
      user: stepRoot.user(op.kind.meta.user),
      userNamespace: emulation?.userNamespace,
      mounts: [
        ...files.mounts,
        ...withHiddenModes(env.fs, root.root, mounts.mounts),
        ...(run.extraMounts ?? []),
      ],
      network: network.network,
      stdio: io.stdio,
    });
    const stubs = stepRoot.stubs(mountPoints(spec));
    makeWorkingFolder(run, root.root, spec.user);
    const sandbox = await env.sandbox();
    const standard: ExecIo = {
      ...io,
      signal: context.signal,
      connectNetwork: network.connect,
      onNotice: (text) => tellOnce(run, text),
      onStart: (send) => {
        io.onStart?.(send);
        env.onRunning?.();
      },
    };
    if (env.isolation === "chroot") {
      started();
      return await runPlaced(env, { root, spec, stubs }, standard);
    }
    const running = sandbox.run(spec, standard);
    started();
    return { outcome: await running, spec, stubs };
  } finally {
    files.close();
  }
}

function noCommand(): TsbuildError {
  return new TsbuildError("TSB_EXEC", "the step has no command to run", {
    hint: 'RUN [] names no program: write RUN ["PROGRAM", "ARGUMENT"], or RUN COMMAND for the shell',
  });
}

/** Runs a process whose mounts cannot be mounted. */
async function runPlaced(
  env: OpsEnvironment,
  { root, spec, stubs }: { readonly root: WritableView; readonly spec: ExecSpec; readonly stubs: Stubs },
  io: ExecIo,
): Promise<Ended> {
  const { PlacedMounts } = await import("./placed-mounts.ts");
  const aside = env.store.temporaryFolder();
  const placed = new PlacedMounts({ fs: env.fs, root: root.root, aside });
  let restored = stubs;
  let outcome: ExecOutcome;
  try {
    await placed.place(spec.mounts);
    outcome = await (await env.sandbox()).run(spec, io);
  } finally {
    restored = placed.restore(stubs);
  }
  return { outcome, spec, stubs: restored };
}

function execSpec(
  run: ExecRun,
  root: WritableView,
  options: Pick<StepParts, "user" | "mounts" | "network" | "stdio" | "userNamespace">,
): ExecSpec {
  const { env, context } = run;
  const op = run.op.kind;
  return stepSpec(op, {
    ...options,
    rootFd: root.root,
    // The same step of another state folder may be running, too.
    id: `${digestHex(context.vertex).slice(0, 12)}-${process.pid}`,
    proxyEnv: env.proxyEnv,
    secrets: secretVariables(op, env.grants),
    resources: env.grants.resources,
    apparmorProfile: env.apparmorProfile,
  });
}

/** The folder that the step starts in; made for its user where it is missing (B013). */
function makeWorkingFolder(
  run: ExecRun,
  root: number,
  user: { readonly uid: number; readonly gid: number },
): void {
  const { fs } = run.env;
  const cwd = cleanPath(run.op.kind.meta.cwd);
  if (cwd === "") return;
  const path = followDestination(fs, root, cwd);
  if (path === "" || folderAt(fs, root, path) === true) return;
  fs.mkdirInRoot(root, path, { mode: 0o755, uid: user.uid, gid: user.gid, parents: true });
}
