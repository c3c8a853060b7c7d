import { type SnapshotId, sha256Fields } from "@tsbuild/base";
import type { CopyAction, FileAction, Owner } from "@tsbuild/llb";
import type { NativeFs } from "@tsbuild/native-fs";
import type { Ref } from "@tsbuild/solver";
import { type ActiveSnapshot, type OpenOptions, refForSnapshot, type SnapshotView } from "@tsbuild/store";
import { type Selected, select } from "../content/content-key.ts";
import { isFolder } from "../content/locate.ts";
import { onlyFiles } from "../content/only-files.ts";
import { selectorOfCopy } from "../content/selector.ts";
import { contextOf } from "../local/context.ts";
import { openTree, type SourceTree, snapshotOf } from "../tree.ts";
import { applyCopy, type CopyTarget } from "./apply.ts";
import { compareCopied, twinsIn } from "./compare-copied.ts";
import {
  isWorthKeeping,
  isWorthLinking,
  type LastCopied,
  lastCopied,
  rememberCopied,
  writeCopied,
} from "./copied-tree.ts";
import { baseName, implicitParent } from "./copy.ts";
import { type CopyPatch, copyPatch } from "./copy-patch.ts";
import { emptyPlace, folderPlace, isFree, makePlace, type Place, pathOf } from "./direct-target.ts";
import { CopyOps } from "./entries.ts";
import { actionText } from "./key.ts";
import { modeChange } from "./mode.ts";
import { resolveOwner } from "./owner.ts";
import type { FileRun } from "./run.ts";
import { folderAt, followDestination, join, parentOf, parseDestination } from "./target.ts";

/** The one COPY of an op, and what it copies onto. */
interface DirectCopy {
  readonly run: FileRun;
  readonly action: CopyAction;
  readonly base: SnapshotId | null;
  /** Root of `base`; undefined when it copies onto nothing. */
  readonly below: number | undefined;
  /** The folder that all goes into. */
  readonly place: Place;
  readonly tree: SourceTree;
  readonly parts: readonly Part[];
}

/** One source, and where it goes: the place itself for the contents of a folder, a name in it for a file. */
interface Part {
  readonly selected: Selected;
  readonly path: string;
}

/**
 * `COPY folder .` onto nothing, the copy that large contexts take, and `COPY file… place` to names that are free: what is copied is written into
 * the folder of the new layer itself, and no overlay is between (for a large folder on ext4 a third of the time, for a file the 2 ms that the kernel
 * takes to put an overlay up and down). Undefined when it is no such copy; then it is done as any other. The layer is the same either way but
 * for one thing: overlayfs marks new folders in old ones opaque, which hide nothing here.
 *
 * When the last run of the step has copied nearly the same, the layer is a patch of its one (see `copyPatch`); else files that it has copied
 * already are linked from there (see `twinsIn`).
 */
export async function copyDirectly(run: FileRun): Promise<readonly Ref[] | undefined> {
  const { env } = run;
  const only = onlyCopy(run);
  if (only === undefined) return undefined;
  const { action, base } = only;
  const selector = selectorOfCopy(action);
  const tree = await openTree(env, only.source, { again: true, only: onlyFiles([selector]) });
  let below: SnapshotView | undefined;
  try {
    const selected = await select(env, tree, selector, run.scans);
    const kind = kindOf(action, selected);
    if (kind === undefined) return undefined;
    below =
      base === null
        ? undefined
        : await env.store.views.open(base, { only: placesOf(action, { kind, selected }) });
    const placed = placeOf({ fs: env.fs, root: below?.root }, action, { kind, selected });
    if (placed === undefined) return undefined;
    const copy = { run, action, base, below: below?.root, tree, ...placed };
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

type Kind = "contents" | "files";

/** What can be copied so: the contents of one folder, or files that are not to be unpacked. A whiteout is refused by an overlay; written beside it, it would be one. */
function kindOf(action: CopyAction, selected: readonly Selected[]): Kind | undefined {
  const [first, ...more] = selected;
  if (first === undefined) return undefined;
  if (selected.every(isFile)) return action.attemptUnpackDockerCompatibility ? undefined : "files";
  if (more.length > 0 || !isFolder(first.located.stat) || !action.dirCopyContents) return undefined;
  return first.chosen.every((index) => !first.reader.isWhiteout(index)) ? "contents" : undefined;
}

function isFile({ located, reader, chosen }: Selected): boolean {
  return !isFolder(located.stat) && chosen.length === 1 && chosen[0] === 0 && reader.isFile(0);
}

interface Sources {
  readonly kind: Kind;
  readonly selected: readonly Selected[];
}

/** All that is looked at of what files are copied onto: their place, as what it is written and as a folder that they go into. Names of owners are in files of their own. */
function placesOf({ dest, owner }: CopyAction, { kind, selected }: Sources): OpenOptions["only"] {
  const isNamed = [owner?.user, owner?.group].some((who) => who !== undefined && !("id" in who));
  if (kind !== "files" || isNamed) return undefined;
  const { path } = parseDestination(dest);
  return { paths: [path, ...selected.map((one) => join(path, baseName(one)))], kind: "place" };
}

/** What is copied onto; no root: nothing. */
interface Below {
  readonly fs: NativeFs;
  readonly root: number | undefined;
}

type Placed = Pick<DirectCopy, "place" | "parts">;

function placeOf(below: Below, action: CopyAction, { kind, selected }: Sources): Placed | undefined {
  return kind === "contents" ? contentsPlace(below, action, selected) : filesPlace(below, action, selected);
}

function contentsPlace(
  { fs, root }: Below,
  action: CopyAction,
  selected: readonly Selected[],
): Placed | undefined {
  const { path } = parseDestination(action.dest);
  const place =
    root === undefined ? nothingThere(path) : emptyPlace(fs, root, followDestination(fs, root, path));
  return place && { place, parts: selected.map((one) => ({ selected: one, path: pathOf(place) })) };
}

/** As `runCopy` places them (D092, D094, D095), where each name is free. */
function filesPlace(
  { fs, root }: Below,
  action: CopyAction,
  selected: readonly Selected[],
): Placed | undefined {
  const { path, writtenAsFolder } = parseDestination(action.dest);
  const dest = root === undefined ? path : followDestination(fs, root, path);
  const isInto = writtenAsFolder || (root === undefined ? dest === "" : folderAt(fs, root, dest) === true);
  if (!isInto && selected.length > 1) return undefined;
  const folder = isInto ? dest : parentOf(dest);
  const place = root === undefined ? nothingThere(folder) : folderPlace(fs, root, folder);
  if (place === undefined) return undefined;
  const nameOf = (one: Selected): string => (isInto ? baseName(one) : dest.slice(dest.lastIndexOf("/") + 1));
  const parts = selected.map((one) => ({ selected: one, path: join(pathOf(place), nameOf(one)) }));
  if (new Set(parts.map((part) => part.path)).size < parts.length) return undefined;
  if (root !== undefined && !parts.every((part) => isFree(fs, root, part.path))) return undefined;
  return { place, parts };
}

function nothingThere(path: string): Place {
  return { existing: "", missing: path === "" ? [] : path.split("/") };
}

/** What the step copied the last time, and how that helps. */
interface Likeness {
  readonly last: LastCopied;
  readonly patch: CopyPatch | undefined;
  /** Without a patch: see `twinsIn`. */
  readonly twins: Uint8Array;
}

async function writeLayer(copy: DirectCopy): Promise<SnapshotId> {
  const { env, context } = copy.run;
  const { snapshots } = env.store;
  const like = await likeness(copy);
  const isPatch = like?.patch !== undefined;
  const active = snapshots.prepare(isPatch ? like.last.snapshot : copy.base, {
    patch: isPatch,
    inPlace: true,
  });
  try {
    const root = env.fs.openFolder(active.upper);
    await write(copy, { fs: env.fs, root, signal: context.signal }, like).finally(() => env.fs.close(root));
    // The next copies are compared with the whole one.
    if (isPatch) return snapshots.commit(active);
    const isKept = keep(copy, active);
    const isLinked = like !== undefined && like.twins.length > 0;
    const snapshot = snapshots.commit(active, { linkedTo: isLinked ? [like.last.snapshot] : [] });
    if (isKept) rememberCopied(env, stepKey(copy), { snapshot, before: like?.last });
    return snapshot;
  } catch (error) {
    snapshots.discard(active);
    throw error;
  }
}

const NO_TWINS = new Uint8Array();

async function likeness(copy: DirectCopy): Promise<Likeness | undefined> {
  const last = lastLayer(copy);
  const selected = keptFolder(copy);
  if (last === undefined || selected === undefined) return undefined;
  const sameTimes = timeOf(copy.action) !== undefined;
  const compared = await compareCopied(copy.run.env.fs, { tree: last.tree, selected, sameTimes });
  const patch = copyPatch(last.tree, selected, compared);
  const isLinked = patch === undefined && isWorthLinking(selected);
  return { last, patch, twins: isLinked ? twinsIn(last.tree, selected, compared) : NO_TWINS };
}

async function write(copy: DirectCopy, target: CopyTarget, like: Likeness | undefined): Promise<void> {
  const { action, tree, place, below, parts } = copy;
  const { fs } = target;
  const owner = await resolveOwner({ fs, rootOf: async () => below ?? target.root }, action.owner);
  await makePlace(target, below, place, implicitParent(action, owner));
  const style = {
    owner,
    mode: modeChange(action.mode, action.modeStr),
    mtimeNs: timeOf(action),
    ownerless: tree.kind === "context",
    replace: action.alwaysReplaceExistingDestPaths,
  };
  for (const { selected, path } of parts) {
    const part = { ...selected, chosen: like?.patch?.chosen ?? selected.chosen };
    await writePart(copy, { target, path, like, ops: new CopyOps(part, path, style) });
  }
}

async function writePart(
  { tree }: DirectCopy,
  part: {
    readonly target: CopyTarget;
    /** Where it goes. */
    readonly path: string;
    readonly like: Likeness | undefined;
    readonly ops: CopyOps;
  },
): Promise<void> {
  const { target, path, like, ops } = part;
  const { fs } = target;
  if (like === undefined) return applyCopy(target, tree, ops);
  const { last, patch, twins } = like;
  if (patch !== undefined)
    return applyCopy(target, tree, ops, { gone: patch.gone.map((name) => join(path, name)) });
  const root = fs.openFolder(last.folder);
  const isTwin = (index: number): boolean => twins[index] === 1;
  await applyCopy(target, tree, ops, { twins: { root, isTwin } }).finally(() => fs.close(root));
}

function timeOf({ timestampNs }: CopyAction): bigint | undefined {
  return timestampNs >= 0n ? timestampNs : undefined;
}

/** What the step copied the last time, to the same place. With --no-cache all is copied: whoever asks for that may not trust what is there. */
function lastLayer(copy: DirectCopy): LastCopied | undefined {
  const { run, tree } = copy;
  if (run.context.ignoreCache || tree.kind !== "context" || keptFolder(copy) === undefined) return undefined;
  const last = lastCopied(run.env, stepKey(copy));
  return last?.tree.dest === pathOf(copy.place) ? last : undefined;
}

/** The step, what it copies onto, and where from. Not what: that is compared. */
function stepKey({ run, base, tree }: DirectCopy): string {
  const folder = tree.kind === "context" ? tree.context.folder : "";
  return sha256Fields(["copied-tree-1", ...run.op.kind.actions.map(actionText), base ?? "scratch", folder]);
}

/** Writes down what was copied, for the next run. False when there is no point in that. */
function keep(copy: DirectCopy, { upper }: ActiveSnapshot): boolean {
  const folder = keptFolder(copy);
  if (copy.tree.kind !== "context" || folder?.hashes === undefined) return false;
  const { reader, chosen, hashes } = folder;
  writeCopied(copy.run.env, upper, { walk: reader.bytes, hashes, chosen, dest: pathOf(copy.place) });
  return true;
}

/** The folder whose contents are copied, when they are more than a few. */
function keptFolder({ parts }: DirectCopy): Selected | undefined {
  const [first, ...more] = parts;
  if (first === undefined || more.length > 0 || !isFolder(first.selected.located.stat)) return undefined;
  return isWorthKeeping(first.selected) ? first.selected : undefined;
}
