import type { SnapshotId } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { alignHistory, type HistoryEntry, type ImageConfig, replayLayer } from "@tsbuild/oci";
import type { Store, WholeLayer } from "@tsbuild/store";
import { dateHistory } from "./history.ts";
import { rememberedSnapshot } from "./remembered.ts";
import type { CommitRequest } from "./types.ts";

export interface SquashOptions {
  /** Layers that stay as they are, counted from the bottom: the base's, and those of stages below the one it starts from. */
  readonly keepLayers: number;
}

/** Under which the snapshot of a squashed stack is remembered; its key names the layer folders. */
const MEMO_KIND = "squashed";

/**
 * The same result with all layers above `keepLayers` as one (W031). The layers that stay are the same blobs. Without two layers above
 * them there is nothing to do. The history keeps every entry with its time; those of the layers that are gone say that they have none,
 * and one more stands for the new layer.
 */
export async function squash(
  store: Store,
  request: CommitRequest,
  { keepLayers }: SquashOptions,
): Promise<CommitRequest> {
  const layers = request.snapshot === null ? [] : await store.snapshots.wholeLayers(request.snapshot);
  const kept = Math.min(keepLayers, layers.length);
  if (layers.length - kept < 2) return request;
  const { config, epochSeconds, signal } = request;
  const remembered = { kind: MEMO_KIND, key: `${kept}:${layers.map(({ id }) => id).join(",")}` };
  const epochMs = epochSeconds === undefined ? undefined : epochSeconds * 1000;
  const dated = dateHistory(alignHistory(config.history ?? [], layers.length), layers, { epochMs });
  return {
    ...request,
    snapshot: await rememberedSnapshot(store, remembered, () => makeSquashed(store, layers, kept, signal)),
    config: squashedConfig(config, dated, { kept, squashed: layers.length - kept }),
  };
}

function squashedConfig(
  config: ImageConfig,
  history: readonly HistoryEntry[],
  counts: { readonly kept: number; readonly squashed: number },
): ImageConfig {
  return {
    ...config,
    history: squashHistory(history, counts),
    // Of the base's layers no more than those that are still there.
    rootfs: { type: "layers", diff_ids: config.rootfs.diff_ids.slice(0, counts.kept) },
  };
}

/** One entry per layer that is left, in a history that has one per layer (X022). Times are there already. */
export function squashHistory(
  history: readonly HistoryEntry[],
  { kept, squashed }: { readonly kept: number; readonly squashed: number },
): HistoryEntry[] {
  let layer = 0;
  const entries = history.map((entry): HistoryEntry => {
    if (entry.empty_layer === true) return entry;
    layer += 1;
    return layer > kept ? { ...entry, empty_layer: true } : entry;
  });
  const created = history.findLast((entry) => entry.created !== undefined)?.created;
  return [
    ...entries,
    {
      ...(created === undefined ? {} : { created }),
      created_by: "tsbuild build --squash",
      comment: `${squashed} layers as one`,
    },
  ];
}

/**
 * Applies the layers one after the other to a view of what stays below them. So the view decides what the new layer has to say: a
 * file that came and went leaves nothing, one of the base that went a whiteout.
 */
async function makeSquashed(
  store: Store,
  layers: readonly WholeLayer[],
  kept: number,
  signal: AbortSignal | undefined,
): Promise<SnapshotId> {
  const base = store.snapshots.stack(null, layers.slice(0, kept));
  const view = await store.views.prepare(base);
  try {
    for (const { folder } of layers.slice(kept)) {
      const source = nativeFs.openFolder(folder);
      const replay = { fs: nativeFs, source, dest: view.root, signal };
      await replayLayer(replay).finally(() => nativeFs.close(source));
    }
  } catch (error) {
    view.discard();
    throw error;
  }
  return view.commit();
}
