import { errnoCode, TsbuildError } from "@tsbuild/base";
import { encodeTreeOps, type NativeFs, type TreeOp } from "@tsbuild/native-fs";
import { contextChanged, pathOfError, showsChange } from "../content/changed.ts";
import { HASH_BYTES } from "../content/scan.ts";
import type { SourceTree } from "../tree.ts";
import type { CopyOps } from "./entries.ts";
import { parentOf } from "./target.ts";

// Ops per call of the addon: bounds the memory of one batch and how long an abort waits.
const BATCH = 1024;
// Calls at the same time: libuv's pool has four threads, and the disk rarely takes more than two writers well.
const PARALLEL = 2;

export interface CopyTarget {
  readonly fs: NativeFs;
  /** Writable root of the destination. */
  readonly root: number;
  readonly signal: AbortSignal;
}

/** Turns a failed op into what the user did wrong (D099), or what the machine lacks. */
function explain(error: unknown, path: string): unknown {
  const where = JSON.stringify(`/${path}`);
  switch (errnoCode(error)) {
    case "EISDIR":
      return new TsbuildError("TSB_CONTEXT", `cannot replace the folder ${where} with a file`, {
        hint: "end the destination with / to copy into the folder, or remove it in an earlier RUN",
        cause: error,
      });
    case "ENOTDIR":
      return new TsbuildError("TSB_CONTEXT", `cannot copy a folder to ${where}: a file is in the way`, {
        cause: error,
      });
    case "ENOSPC":
    case "EDQUOT":
      return new TsbuildError("TSB_DISK_FULL", `no space left while writing ${where}`, {
        hint: "tsbuild prune removes what is not needed from the state folder; or point --root to another file system",
        cause: error,
      });
    default:
      return error;
  }
}

async function applyBatch(
  target: CopyTarget,
  source: number,
  ops: readonly TreeOp[],
  hash: boolean,
): Promise<Buffer> {
  target.signal.throwIfAborted();
  try {
    return await target.fs.apply(target.root, source, encodeTreeOps(ops), { hash, ignoreXattrErrors: true });
  } catch (error) {
    const index = typeof error === "object" && error !== null && "index" in error ? Number(error.index) : 0;
    throw explain(error, ops[index]?.path ?? "");
  }
}

/** Takes the next `count` of a generator that several may be taking from. */
function take<T>(from: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  for (let next = from.next(); !next.done; next = from.next()) {
    taken.push(next.value);
    if (taken.length === count) break;
  }
  return taken;
}

/** Performs ops one batch after the other. `source`: the root that files are moved from. */
export async function applyAll(target: CopyTarget, ops: Iterable<TreeOp>, source = -1): Promise<void> {
  const from = ops[Symbol.iterator]();
  for (let batch = take(from, BATCH); batch.length > 0; batch = take(from, BATCH)) {
    await applyBatch(target, source, batch, false);
  }
}

/** Which of both an error is about, its own path says: a file of the source, or the folder that it was in. */
function explainCopy(error: unknown, tree: SourceTree, paths: { from: string; to: string }): unknown {
  const { from, to } = paths;
  const isOwn = [from, parentOf(from)].includes(pathOfError(error));
  if (isOwn && showsChange(tree, error))
    return contextChanged(tree, { path: from, meanwhile: "copied", cause: error });
  return explain(error, to);
}

/** All settle before a failure is passed on: nobody may write to the target after it is thrown away. */
async function inParallel(worker: () => Promise<void>): Promise<void> {
  const done = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  const failed = done.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Files per call of the addon. */
const PICKS = 2048;

/** Copies files and checks that what was copied is what was hashed. `twins`: see `WalkedFiles`. */
async function copyPicks(
  target: CopyTarget,
  tree: SourceTree,
  ops: CopyOps,
  twins: Twins | undefined,
): Promise<void> {
  const files = ops.copied;
  const take = ops.picks({ most: PICKS, threads: PARALLEL }, twins?.isTwin);
  await inParallel(async () => {
    for (let batch = take(); batch.length > 0; batch = take()) {
      target.signal.throwIfAborted();
      try {
        const roots = { root: target.root, source: tree.root, twins: twins?.root };
        await target.fs.copyFiles(roots, { ...files, picks: batch });
      } catch (error) {
        const at = typeof error === "object" && error !== null && "index" in error ? Number(error.index) : 0;
        throw explainCopy(error, tree, ops.pathsOf(batch[at * 2] ?? 0));
      }
    }
  });
}

/** The same for the few that need more than `copyPicks` does. */
async function copyOthers(target: CopyTarget, tree: SourceTree, ops: CopyOps): Promise<void> {
  const { hashes } = ops.copied;
  const files = ops.others();
  for (let batch = take(files, BATCH); batch.length > 0; batch = take(files, BATCH)) {
    const copied = await applyBatch(
      target,
      tree.root,
      batch.map(({ op }) => op),
      hashes !== undefined,
    );
    if (hashes === undefined) continue;
    for (const [i, { index }] of batch.entries()) {
      const expected = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
      const found = copied.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
      if (found.equals(expected)) continue;
      throw contextChanged(tree, { path: ops.pathsOf(index).from, meanwhile: "copied" });
    }
  }
}

/** Files that are in another tree already, at the path where they go. */
export interface Twins {
  readonly root: number;
  readonly isTwin: (index: number) => boolean;
}

/** What is known of an earlier copy. */
export interface Earlier {
  readonly twins?: Twins | undefined;
  /** Paths that the layer below has and this copy has not. */
  readonly gone?: readonly string[] | undefined;
}

function* whiteouts(paths: readonly string[]): Generator<TreeOp> {
  for (const path of paths) yield { type: "whiteout", path, existing: "error" };
}

/** Recreates one source at the target. */
export async function applyCopy(
  target: CopyTarget,
  tree: SourceTree,
  ops: CopyOps,
  { twins, gone = [] }: Earlier = {},
): Promise<void> {
  await applyAll(target, ops.folders());
  await applyAll(target, whiteouts(gone));
  await applyAll(target, ops.moved(), ops.stagedRoot);
  await copyPicks(target, tree, ops, twins);
  await copyOthers(target, tree, ops);
  await applyAll(target, ops.rest());
  await applyAll(target, ops.times());
}
