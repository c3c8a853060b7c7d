import { type CompressionVariant, variantName } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import type { CommittedLayer, ExportProgress } from "./types.ts";

interface Packing {
  readonly layer: Promise<CommittedLayer>;
  /** Who wants to be told how far it is. */
  readonly listeners: Set<ExportProgress>;
}

/** Of each open store: what is being packed, by layer and form. */
const running = new WeakMap<Store, Map<string, Packing>>();

function nameOf(layer: number, compress: CompressionVariant | undefined): string {
  return `${layer} ${compress === undefined ? "" : variantName(compress)}`;
}

interface Wanted {
  readonly id: number;
  readonly compress: CompressionVariant | undefined;
  readonly onProgress: ExportProgress | undefined;
}

/**
 * Packs a layer once, however many ask for it meanwhile: a build begins with a layer while its next step runs, and the image that is made at the
 * end waits for what is left. `pack` is given whom to tell how far it is; what it rejects with, all get.
 */
export function packOnce(
  store: Store,
  { id, compress, onProgress }: Wanted,
  pack: (tell: ExportProgress) => Promise<CommittedLayer>,
): Promise<CommittedLayer> {
  const all = running.get(store) ?? new Map<string, Packing>();
  running.set(store, all);
  const name = nameOf(id, compress);
  const known = all.get(name);
  if (onProgress !== undefined) known?.listeners.add(onProgress);
  if (known !== undefined) return known.layer;
  const listeners = new Set(onProgress === undefined ? [] : [onProgress]);
  const layer = pack((status) => {
    for (const listener of listeners) listener(status);
  }).finally(() => all.delete(name));
  all.set(name, { layer, listeners });
  return layer;
}
