import type { DiffId } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci";
import type { Ref, ResultId } from "@tsbuild/solver";

/** A layer of a result that is somewhere else: its blob, which nobody here has looked into, and how to get it. */
export interface RemoteLayer {
  readonly diffId: DiffId;
  readonly blob: Descriptor;
  /** When it was made, milliseconds since the epoch, as far as that is told. */
  readonly createdMs?: number | undefined;
  /** The repository that it is in: to another one on its host it can be mounted. */
  readonly repository?: { readonly host: string; readonly repository: string } | undefined;
  /** The blob from its beginning, unverified. Connections and credentials are those of the moment. */
  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

const remoteRefs = new WeakMap<Ref, readonly RemoteLayer[]>();

/**
 * A ref to a result that is only passed on (V021): a chain of descriptors, bottom first. It holds nothing here. `id`: of the record that it was
 * found by; without one no record is made of it.
 */
export function refForRemote(layers: readonly RemoteLayer[], id?: ResultId): Ref {
  const ref: Ref = { id, clone: () => refForRemote(layers, id), release: () => undefined };
  remoteRefs.set(ref, layers);
  return ref;
}

/** The layers behind a ref that is passed on; undefined for a snapshot. */
export function remoteLayersOf(ref: Ref): readonly RemoteLayer[] | undefined {
  return remoteRefs.get(ref);
}
