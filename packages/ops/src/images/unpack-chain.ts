import { type DiffId, hostPlatform, type SnapshotId, sha256 } from "@tsbuild/base";
import { type Descriptor, mediaTypes } from "@tsbuild/oci/documents";
import type { OpContext } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import type { Origin } from "./origin.ts";
import { unpackImage } from "./unpack.ts";

/** Layers that somebody else has: of an imported cache. */
export interface LayerChain {
  /** For messages. */
  readonly name: string;
  /** Bottom first. */
  readonly layers: readonly { readonly blob: Descriptor; readonly diffId: DiffId }[];
  readonly repository?: Origin["repository"];
  /** What the blobs are remembered as; default `pulled`: how they go out again unless another form is asked for by force. */
  readonly remembered?: "pulled" | "loaded" | undefined;
  blob(blob: Descriptor, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

/**
 * Makes a stack of layers into a snapshot, as `FROM` does with an image's: what is here already is shared by chain ID, digests and diff
 * IDs are verified, and nothing is committed before.
 */
export function unpackChain(
  env: Pick<OpsEnvironment, "store" | "fs" | "userxattr">,
  chain: LayerChain,
  context: OpContext,
): Promise<SnapshotId | null> {
  const nothing = sha256("");
  const origin: Origin = {
    name: chain.name,
    repository: chain.repository,
    manifest: () => Promise.reject(new Error("assertion failed: a cache's layers have no manifest")),
    blob: chain.blob,
  };
  const image = {
    name: chain.name,
    manifest: nothing,
    config: {
      architecture: hostPlatform().architecture,
      os: "linux",
      rootfs: { type: "layers" as const, diff_ids: chain.layers.map(({ diffId }) => diffId) },
    },
    document: {
      schemaVersion: 2 as const,
      config: { mediaType: mediaTypes.ociConfig, digest: nothing, size: 0 },
      layers: chain.layers.map(({ blob }) => blob),
    },
    origin: async () => origin,
    snapshot: undefined,
    remembered: chain.remembered,
  };
  const never = new AbortController().signal;
  const registry = () => Promise.reject(new Error("assertion failed: a cache's layers have no registry"));
  return unpackImage({ env, registry, pull: false, signal: never }, image, context);
}
