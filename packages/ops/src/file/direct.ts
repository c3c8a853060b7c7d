import { type SnapshotId, sha256Fields } from "@tsbuild/base";
import type { CopyAction, FileAction, Owner } from "@tsbuild/llb";
import type { Ref } from "@tsbuild/solver";
import { type ActiveSnapshot, refForSnapshot, type SnapshotView } from "@tsbuild/store";
import { type Selected, select } from "../content/content-key.ts";
import { isFolder } from "../content/locate.ts";
import { selectorOfCopy } from "../content/selector.ts";
import { contextOf } from "../local/context.ts";
import { openTree, type SourceTree, snapshotOf } from "../tree.ts";
import { applyCopy, type CopyTarget } from "./apply.ts";
import { isLarge, type LastCopied, lastCopied, rememberCopied, twinsIn, writeCopied } from "./copied-tree.ts";
import { implicitParent } from "./copy.ts";
import { type EmptyPlace, emptyPlace, makePlace, pathOf } from "./direct-target.ts";
import { CopyOps } from "./entries.ts";
import { actionText } from "./key.ts";
import { modeChange } from "./mode.ts";
import { resolveOwner } from "./owner.ts";
import type { FileRun } from "./run.ts";
import { followDestination, parseDestination } from "./target.ts";

/** The one COPY of an op, and what it copies onto. */
interface DirectCopy {
  readonly run: FileRun;
  readonly action: CopyAction;
  readonly base: SnapshotId | null;
  /** Root of `base`; undefined when it copies onto nothing. */
  readonly below: number | undefined;
  readonly place: EmptyPlace;
  readonly tree: SourceTree;
  readonly selected: Selected;
}

/**
 * `COPY folder .` onto nothing, the copy that large contexts take: when the destination is empty or not there, files are written into the
 * folder of the new layer itself, and no overlay is between (on ext4 a third of the time). Undefined when it is no such copy; then it is done
 * as any other. The layer is the same either way but for one thing: overlayfs marks new folders in old ones opaque, which hide nothing here.
 *
 * A file that the last run of the step has copied already is linked from its layer (see `twinsIn`).
 */
export async function copyDirectly(run: FileRun): Promise<readonly Ref[] | undefined> {
  const { env } = run;
  const only = onlyCopy(run);
  if (only === undefined) return undefined;
  const { action, base } = only;
  const tree = await openTree(env, only.source);
  let below: SnapshotView | undefined;
  try {
    const [selected, ...more] = await select(env, tree, selectorOfCopy(action), run.scans);
    if (selected === undefined || more.length > 0 || !isDirect(action, selected)) return undefined;
    below = base === null ? undefined : await env.store.views.open(base);
    const place = placeOf(run, action, below?.root);
    if (place === undefined) return undefined;
    const copy = { run, action, base, below: below?.root, place, tree, selected };
    return [refForSnapshot(env.store, await writeLayer(copy))];
  } finally {
    below?.close();
    tree.close();
  }
}

function onlyCopy({ op, inputs }: FileRun) {
  const [first, ...more] = op.kind.actions;
  if (first?.action.type !== "copy" || more.length > 0 || first.output !== 0) return undefined;
  const source = inputs[first.secondaryInput];
  const base = baseOf(inputs, first);
  if (source === undefined || base === undefined || !namesOnly(first.action.owner, first.input))
    return undefined;
  return { action: first.action, base, source };
}

function baseOf(inputs: readonly Ref[], { input }: FileAction): SnapshotId | null | undefined {
  if (input < 0) return null;
  const ref = inputs[input];
  return ref === undefined || contextOf(ref) !== undefined ? undefined : snapshotOf(ref);
}

/** Owners are numbers, or named by the passwd of what is copied onto. */
function namesOnly(owner: Owner | undefined, base: number): boolean {
  return [owner?.user, owner?.group].every((who) => who === undefined || "id" in who || who.input === base);
}

/** The contents of a folder. A whiteout is refused by an overlay; written beside it, it would be one. */
function isDirect(action: CopyAction, { located, reader, chosen }: Selected): boolean {
  if (!isFolder(located.stat) || !action.dirCopyContents) return false;
  return chosen.every((index) => !reader.isWhiteout(index));
}

function placeOf({ env }: FileRun, action: CopyAction, below: number | undefined): EmptyPlace | undefined {
  const { path } = parseDestination(action.dest);
  if (below === undefined) return { existing: "", missing: path === "" ? [] : path.split("/") };
  return emptyPlace(env.fs, below, followDestination(env.fs, below, path));
}

async function writeLayer(copy: DirectCopy): Promise<SnapshotId> {
  const { env, context } = copy.run;
  const { snapshots } = env.store;
  const active = snapshots.prepare(copy.base);
  try {
    const root = env.fs.openFolder(active.upper);
    const last = lastLayer(copy);
    await write(copy, { fs: env.fs, root, signal: context.signal }, last).finally(() => env.fs.close(root));
    const isKept = keep(copy, active);
    const snapshot = snapshots.commit(active, { linkedTo: last?.snapshot });
    if (isKept) rememberCopied(env, stepKey(copy), { snapshot, before: last });
    return snapshot;
  } catch (error) {
    snapshots.discard(active);
    throw error;
  }
}

async function write(copy: DirectCopy, target: CopyTarget, last: LastCopied | undefined): Promise<void> {
  const { action, tree, selected, place, below } = copy;
  const { fs } = target;
  const owner = await resolveOwner({ fs, rootOf: async () => below ?? target.root }, action.owner);
  await makePlace(target, below, place, implicitParent(action, owner));
  const ops = new CopyOps(selected, pathOf(place), {
    owner,
    mode: modeChange(action.mode, action.modeStr),
    mtimeNs: timeOf(action),
    ownerless: tree.kind === "context",
    replace: action.alwaysReplaceExistingDestPaths,
  });
  if (last === undefined) return applyCopy(target, tree, ops);
  const twins = twinsIn(last.tree, selected, timeOf(action) !== undefined);
  const root = fs.openFolder(last.folder);
  const isTwin = (index: number): boolean => twins[index] === 1;
  await applyCopy(target, tree, ops, { root, isTwin }).finally(() => fs.close(root));
}

function timeOf({ timestampNs }: CopyAction): bigint | undefined {
  return timestampNs >= 0n ? timestampNs : undefined;
}

/** What the step copied the last time, to the same place. With --no-cache all is copied: whoever asks for that may not trust what is there. */
function lastLayer(copy: DirectCopy): LastCopied | undefined {
  const { run, selected, tree } = copy;
  if (run.context.ignoreCache || tree.kind !== "context" || !isLarge(selected)) return undefined;
  const last = lastCopied(run.env, stepKey(copy));
  return last?.tree.dest === pathOf(copy.place) ? last : undefined;
}

/** The step, what it copies onto, and where from. Not what: that is compared. */
function stepKey({ run, base, tree }: DirectCopy): string {
  const folder = tree.kind === "context" ? tree.context.folder : "";
  return sha256Fields(["copied-tree-1", ...run.op.kind.actions.map(actionText), base ?? "scratch", folder]);
}

/** Writes down what was copied, for the next run. False when there is no point in that. */
function keep({ run, tree, selected, place }: DirectCopy, { upper }: ActiveSnapshot): boolean {
  const { reader, chosen, hashes } = selected;
  if (tree.kind !== "context" || hashes === undefined || !isLarge(selected)) return false;
  writeCopied(run.env, upper, { walk: reader.bytes, hashes, chosen, dest: pathOf(place) });
  return true;
}
