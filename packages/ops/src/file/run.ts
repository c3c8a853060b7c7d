import type { FileAction, FileOp, Op } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";
import { refForSnapshot } from "@tsbuild/store";
import type { Scans } from "../content/content-key.ts";
import type { OpsEnvironment } from "../environment.ts";
import { contextOf } from "../local/context.ts";
import { openTree, type SourceTree, snapshotOf } from "../tree.ts";
import type { CopyTarget } from "./apply.ts";
import { runCopy } from "./copy.ts";
import { copyDirectly } from "./direct.ts";
import { type Ownership, resolveOwner } from "./owner.ts";
import { runMkdir, runMkfile, runRm, runSymlink } from "./simple.ts";
import { States } from "./states.ts";

export interface FileRun {
  readonly env: OpsEnvironment;
  readonly op: Op & { readonly kind: FileOp };
  readonly inputs: readonly Ref[];
  readonly context: OpContext;
  readonly scans: Scans;
  /** See `CopyRequest`. */
  readonly placed: Map<string, string>;
}

/** Performs the actions of a file op one after the other and commits its outputs. */
export async function runFileOp(run: FileRun): Promise<readonly Ref[]> {
  const direct = await copyDirectly(run);
  if (direct !== undefined) return direct;
  const { env, op, inputs } = run;
  const snapshots = inputs.map((ref) => (contextOf(ref) === undefined ? snapshotOf(ref) : undefined));
  const states = new States(env, op.kind, snapshots);
  try {
    for (const action of op.kind.actions) await runAction(run, states, action);
    const outputs: Ref[] = [];
    for (const [i, action] of op.kind.actions.entries()) {
      if (action.output >= 0)
        outputs[action.output] = refForSnapshot(env.store, await states.commit(inputs.length + i));
    }
    return outputs;
  } finally {
    states.discard();
  }
}

async function runAction(run: FileRun, states: States, action: FileAction): Promise<void> {
  const { env, context } = run;
  // The source is opened first: when both are the same state, it has to be committed before it is written to.
  const tree =
    action.action.type === "copy" ? await openSource(run, states, action.secondaryInput) : undefined;
  const layer = await states.open(action.input);
  states.push(layer);
  const target = { fs: env.fs, root: layer.root, signal: context.signal };
  const owners = ownerRoots(run, states, layer.root, action.input);
  try {
    await dispatch(run, { action, target, tree, owner: await ownerOf(env, action, owners.rootOf) });
  } finally {
    owners.close();
    tree?.close();
  }
}

async function openSource(run: FileRun, states: States, index: number): Promise<SourceTree> {
  const input = run.inputs[index];
  if (input !== undefined) return openTree(run.env, input);
  const ref = refForSnapshot(run.env.store, index < 0 ? null : await states.commit(index));
  const tree = await openTree(run.env, ref);
  const close = (): void => {
    tree.close();
    ref.release();
  };
  return { ...tree, close };
}

/** Roots to look up owners' names in. The action's own base is what is being written: names made by earlier actions count. */
function ownerRoots(run: FileRun, states: States, own: number, base: number) {
  const opened: SourceTree[] = [];
  const rootOf = async (input: number): Promise<number> => {
    if (input === base || input < 0) return own;
    const tree = await openSource(run, states, input);
    opened.push(tree);
    return tree.root;
  };
  const close = (): void => {
    for (const tree of opened) tree.close();
  };
  return { rootOf, close };
}

async function ownerOf(
  env: OpsEnvironment,
  action: FileAction,
  rootOf: (input: number) => Promise<number>,
): Promise<Ownership | undefined> {
  return action.action.type === "rm" ? undefined : resolveOwner({ fs: env.fs, rootOf }, action.action.owner);
}

async function dispatch(
  run: FileRun,
  step: {
    readonly action: FileAction;
    readonly target: CopyTarget;
    readonly tree: SourceTree | undefined;
    readonly owner: Ownership | undefined;
  },
): Promise<void> {
  const { action, target, tree, owner } = step;
  switch (action.action.type) {
    case "copy":
      if (tree === undefined) throw new Error("assertion failed: copy without a source");
      return runCopy({
        env: run.env,
        action: action.action,
        tree,
        target,
        owner,
        scans: run.scans,
        placed: run.placed,
      });
    case "mkdir":
      return runMkdir(target, action.action, owner);
    case "mkfile":
      return runMkfile(target, action.action, owner);
    case "symlink":
      return runSymlink(target, action.action, owner);
    case "rm":
      return runRm(target, action.action);
  }
}
