import { decodeTree, type TreeEntry, type TreeOp } from "@tsbuild/native-fs";
import { isOpaque, isWhiteout } from "../layer/whiteout.ts";
import { applyTreeOps, ReplayOps, type ReplayOptions, replayRoot } from "./replay.ts";

export interface ClampOptions extends ReplayOptions {
  /** Later times become this one. */
  readonly maxMtimeNs: bigint;
  /** Opaque folders are marked as a user namespace can. */
  readonly userxattr: boolean;
}

/** Whether a layer folder has a time (whiteouts have none) that is later. */
export async function hasLaterTimes({
  fs,
  source,
  maxMtimeNs,
}: Pick<ClampOptions, "fs" | "source" | "maxMtimeNs">): Promise<boolean> {
  const walked = await fs.walk(source, "", { xattrs: true });
  for (const entry of decodeTree(walked))
    if (entry.path !== "" && entry.mtimeNs > maxMtimeNs && !isWhiteout(entry)) return true;
  return false;
}

function clamped(entry: TreeEntry, max: bigint): TreeEntry {
  return entry.mtimeNs > max ? { ...entry, mtimeNs: max } : entry;
}

function* clampOps(walked: Buffer, { maxMtimeNs, userxattr }: ClampOptions): Generator<TreeOp> {
  const plan = new ReplayOps();
  for (const entry of decodeTree(walked)) {
    const { path } = entry;
    if (path === "") continue;
    if (isWhiteout(entry)) {
      yield { type: "whiteout", path, existing: "replace" };
      continue;
    }
    const op = plan.op(clamped(entry, maxMtimeNs));
    if (op === undefined) continue;
    yield op;
    if (op.type === "folder" && isOpaque(entry))
      yield { type: "opaque", path, userxattr, existing: "replace" };
  }
  yield* plan.times();
}

/** Copies a layer folder, marks of overlayfs and all, into an empty one; times after `maxMtimeNs` become that (X020). */
export async function clampLayer(options: ClampOptions): Promise<void> {
  const walked = await options.fs.walk(options.source, "", { xattrs: true });
  await applyTreeOps(options, clampOps(walked, options));
  for (const entry of decodeTree(walked)) {
    replayRoot(options, clamped(entry, options.maxMtimeNs));
    return;
  }
}
