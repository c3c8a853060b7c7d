import type { DiffId, Digest, Platform, SnapshotId } from "@tsbuild/base";
import type { CompressionVariant, Descriptor, ImageConfig, LayerWorkers, LayoutBlob } from "@tsbuild/oci";
import type { RegistryClient } from "@tsbuild/registry";
import type { RemoteLayer, Store } from "@tsbuild/store";
import type { AttestationManifest } from "./attached.ts";
import type { Attestation } from "./attestation.ts";
import type { ContainerEngine } from "./container-engine.ts";
import type { ArchiveDraft } from "./draft.ts";
import type { Pushing } from "./pushing.ts";

/** What a build made: a filesystem and what the Dockerfile says about it. */
export interface ImageResult {
  /** From the frontend: the base's diff IDs at most, and a history whose new entries may lack times. */
  readonly config: ImageConfig;
  /** `null`: an image without layers. */
  readonly snapshot: SnapshotId | null;
  /** Normalised names. */
  readonly names: readonly string[];
  readonly platform: Platform;
}

export interface CommitRequest extends ImageResult {
  /** SOURCE_DATE_EPOCH: new times are no later (X023). */
  readonly epochSeconds?: number | undefined;
  /** False: the image is not put under its names; it lives as long as the store's lease. Default true. */
  readonly register?: boolean | undefined;
  readonly origin?: "built" | "imported" | undefined;
  /** Its new layers have no times after the epoch any more. */
  readonly clamped?: boolean | undefined;
  /** How an output will want the layers: those that nobody has packed yet are compressed while they are measured. */
  readonly compress?: CompressionVariant | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly onProgress?: ExportProgress | undefined;
  /** Told of the blob of a layer that is compressed, when all of it is known and before it is on the disk. */
  readonly onBlob?: ((blob: LayoutBlob) => void) | undefined;
  /** Told of each layer when its digests are known, and its blob where it was compressed. */
  readonly onLayer?: ((layer: CommittedLayer) => void) | undefined;
  /** Told of the config as soon as it is known, while it is written. */
  readonly onConfig?: ((bytes: Uint8Array) => void) | undefined;
  /** Layers that nobody has packed yet are being packed, which leaves time for other things. */
  readonly onPacking?: (() => void) | undefined;
  /** Default: a pool shared by the process. */
  readonly workers?: LayerWorkers | undefined;
}

export interface CommittedLayer {
  readonly diffId: DiffId;
  /** Of the uncompressed tar. */
  readonly sizeBytes: number;
  readonly folder: string;
  /** When it was made, in milliseconds since the epoch. */
  readonly createdMs: number;
  /** What the folder looked like when it was packed (see `PackedLayer`). */
  readonly tree?: Digest | undefined;
  /** Later times become this one when it is packed; diff ID and size are those of that. */
  readonly maxMtimeNs?: bigint | undefined;
}

/** An image whose digests are known. Config and manifest are in the blob store. */
export interface CommittedImage {
  /** Digest of the config: Docker's image ID. */
  readonly imageId: Digest;
  /** Digest of the manifest with uncompressed layers, which is what the store keeps. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
  readonly snapshot: SnapshotId | null;
  readonly names: readonly string[];
  readonly platform: Platform;
  /** Bottom first. */
  readonly layers: readonly CommittedLayer[];
  /** Its layers, bottom first, when none of them is here and they are only passed on (V021): then `layers` is empty and `snapshot` null. */
  readonly remote?: readonly RemoteLayer[] | undefined;
  /** How many of the layers are the base image's. */
  readonly baseLayers: number;
  readonly epochSeconds?: number | undefined;
  /** See `CommitRequest`. */
  readonly clamped?: boolean | undefined;
  /** What is claimed of it; every output attaches that in its own form. */
  readonly attestations?: readonly Attestation[] | undefined;
  /** Documents of an image that was made before, which go out byte for byte: its config, and the manifest it came with. */
  readonly original?: { readonly config: Uint8Array; readonly manifest?: Uint8Array | undefined } | undefined;
}

/** An index that was made before: it goes out byte for byte as long as all its images do. */
export interface OriginalIndex {
  readonly bytes: Uint8Array;
  /** What it lists beside the images, such as what is claimed of them. */
  readonly others: readonly AttestationManifest[];
}

/** As the flag `-o type=…,dest=…,k=v` (the engine's `OutputRequest`). */
export interface ExportRequest {
  readonly type: "image" | "registry" | "oci" | "docker" | "local" | "tar" | "cacheonly";
  /** File or folder; `-` or nothing: standard output. `docker` without it goes into a docker or podman that runs here. */
  readonly dest?: string | undefined;
  readonly attrs: Readonly<Record<string, string>>;
}

export type ExportProgress = (status: {
  readonly id: string;
  readonly current: number;
  readonly total?: number | undefined;
  readonly done?: boolean | undefined;
}) => void;

export interface ExportOptions {
  readonly store: Store;
  readonly signal: AbortSignal;
  /** Asked when an image is to be loaded into it. */
  readonly containers?: (() => Promise<ContainerEngine>) | undefined;
  readonly onLog?: ((line: string) => void) | undefined;
  readonly onProgress?: ExportProgress | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** What was written of its archive while the image was committed. */
  readonly draft?: ArchiveDraft | undefined;
  /** What of it was sent while the image was committed. */
  readonly pushing?: Pushing | undefined;
  /** Where `dest=-` goes. Default process.stdout. */
  readonly stdout?: NodeJS.WritableStream | undefined;
  readonly workers?: LayerWorkers | undefined;
  /** That all images of the result came from. */
  readonly original?: OriginalIndex | undefined;
  /** Opened when something is pushed. */
  readonly registry?:
    | ((options: { readonly insecureHosts: readonly string[] }) => Promise<RegistryClient>)
    | undefined;
}

export interface ExportResult {
  /** Digest of the manifest (or index) that was written; outputs that are only files have none. */
  readonly manifest?: Digest | undefined;
  /** What names it, with the annotations that lists of it get. */
  readonly descriptor?: Descriptor | undefined;
  /** Names under which a registry has it now. */
  readonly pushed?: readonly string[] | undefined;
}
