import { type CompressionVariant, type LayoutBlob, variantName } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import type { CommittedLayer, ExportProgress } from "./types.ts";

/** Who wants to be told while a layer is packed. */
export interface PackListener {
  readonly onProgress?: ExportProgress | undefined;
  /** Told of the blob when all of it is known, before it is on the disk. */
  readonly onBlob?: ((blob: LayoutBlob) => void) | undefined;
}

interface Packing {
  readonly layer: Promise<CommittedLayer>;
  readonly listeners: Set<PackListener>;
}

/** Of each open store: what is being packed, by layer and form. */
const running = new WeakMap<Store, Map<string, Packing>>();

function nameOf(layer: number, compress: CompressionVariant | undefined): string {
  return `${layer} ${compress === undefined ? "" : variantName(compress)}`;
}

interface Wanted {
  readonly id: number;
  readonly compress: CompressionVariant | undefined;
  readonly listener: PackListener;
}

/**
 * Packs a layer once, however many ask for it meanwhile: a build begins with a layer while its next step runs, and the image that is made at the
 * end waits for what is left. `pack` is given whom to tell. Where it fails, who has joined packs for itself: the build that began may have
 * been given up.
 */
export function packOnce(
  store: Store,
  wanted: Wanted,
  pack: (tell: Required<PackListener>) => Promise<CommittedLayer>,
): Promise<CommittedLayer> {
  const { id, compress, listener } = wanted;
  const all = running.get(store) ?? new Map<string, Packing>();
  running.set(store, all);
  const name = nameOf(id, compress);
  const known = all.get(name);
  known?.listeners.add(listener);
  if (known !== undefined) return known.layer.catch(() => packOnce(store, wanted, pack));
  const listeners = new Set([listener]);
  const layer = pack({
    onProgress: (status) => {
      for (const { onProgress } of listeners) onProgress?.(status);
    },
    onBlob: (blob) => {
      for (const { onBlob } of listeners) onBlob?.(blob);
    },
  }).finally(() => all.delete(name));
  all.set(name, { layer, listeners });
  return layer;
}
