import { errnoCode, TsbuildError } from "@tsbuild/base";
import { encodeTreeOps, type NativeFs, type TreeOp } from "@tsbuild/native-fs";
import type { SourceTree } from "../tree.ts";
import type { CopyOps, FileOp } from "./entries.ts";

// Ops per call of the addon: bounds the memory of one batch and how long an abort waits.
const BATCH = 1024;
// Calls at the same time: libuv's pool has four threads, and the disk rarely takes more than two writers well.
const PARALLEL = 2;
const HASH_BYTES = 32;

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

/** Performs ops one batch after the other. */
export async function applyAll(target: CopyTarget, ops: Iterable<TreeOp>): Promise<void> {
  const from = ops[Symbol.iterator]();
  for (let batch = take(from, BATCH); batch.length > 0; batch = take(from, BATCH)) {
    await applyBatch(target, -1, batch, false);
  }
}

/** What a file must hash to; undefined when its source cannot change. */
export type Expected = ((index: number) => Uint8Array) | undefined;

function changed(tree: SourceTree, path: string): TsbuildError {
  const where =
    tree.kind === "context" ? JSON.stringify(tree.context.shown ?? tree.context.folder) : "the source";
  return new TsbuildError(
    "TSB_CONTEXT",
    `${JSON.stringify(path)} in the build context changed while it was being copied`,
    { hint: `build again when nothing writes to ${where} any more` },
  );
}

/** Copies the files of one source and checks that what was copied is what was hashed. */
async function copyFiles(
  target: CopyTarget,
  tree: SourceTree,
  files: Iterator<FileOp>,
  expected: Expected,
): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let batch = take(files, BATCH); batch.length > 0; batch = take(files, BATCH)) {
      const ops = batch.map(({ op }) => op);
      const hashes = await applyBatch(target, tree.root, ops, expected !== undefined);
      if (expected === undefined) continue;
      for (const [i, { op, index }] of batch.entries()) {
        const copied = hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
        if (!copied.equals(expected(index))) throw changed(tree, op.path);
      }
    }
  };
  // All settle before a failure is passed on: nobody may write to the target after it is thrown away.
  const done = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  const failed = done.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Recreates one source at the target. */
export async function applyCopy(
  target: CopyTarget,
  tree: SourceTree,
  ops: CopyOps,
  expected: Expected,
): Promise<void> {
  await applyAll(target, ops.folders());
  await copyFiles(target, tree, ops.files(), expected);
  await applyAll(target, ops.others());
  await applyAll(target, ops.times());
}
