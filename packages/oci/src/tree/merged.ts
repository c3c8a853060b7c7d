import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import { packTree } from "../layer/pack.ts";

/** Layer folders of a root filesystem, top first. */
export interface MergedTree {
  readonly lowers: readonly string[];
  /** Opens the merged tree; an overlay mount when not given. Not called without lowers. */
  readonly open?: (() => Promise<{ readonly root: number; close(): void }>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Later times become this one (SOURCE_DATE_EPOCH). */
  readonly maxMtimeNs?: bigint | undefined;
}

export interface PackMergedOptions extends MergedTree {
  /** The memory of a chunk is used again when the next one is asked for. */
  readonly reuse?: boolean | undefined;
}

/** Opens the merged tree, read-only; the mount is visible to nobody and ends with the descriptor. */
export async function openMerged(tree: MergedTree): Promise<{ readonly root: number; close(): void }> {
  if (tree.open !== undefined) return tree.open();
  const root = nativeFs.mountOverlay({ lowers: tree.lowers, userxattr: inUserNamespace() });
  return { root, close: () => nativeFs.close(root) };
}

/** A root filesystem as one tar (X015). */
export async function* packMerged(options: PackMergedOptions): AsyncGenerator<Buffer> {
  const { lowers, signal, maxMtimeNs, reuse } = options;
  if (lowers.length === 0) {
    const { writeTar } = await import("../tar/writer.ts");
    yield* writeTar([]);
    return;
  }
  const view = await openMerged(options);
  try {
    yield* packTree(view.root, { fs: nativeFs, signal, maxMtimeNs, reuse });
  } finally {
    view.close();
  }
}
