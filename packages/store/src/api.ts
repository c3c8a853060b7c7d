import type { ChainId, DiffId, Digest, SnapshotId } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci";
import type { CacheKeyId, CacheLink, CacheRecord, CacheStorage, Ref, WorkLocks } from "@tsbuild/solver";
import type { HistoryStore } from "./history/api.ts";

/**
 * The state folder. Several processes may have it open at once. Everything made through one `Store` object is held by its
 * lease until it is closed; what dead processes left behind is collected at the next open.
 */
export interface Store {
  /** Absolute path of the state folder. */
  readonly root: string;
  readonly blobs: BlobStore;
  readonly snapshots: SnapshotStore;
  readonly views: SnapshotViews;
  readonly images: ImageStore;
  readonly cache: RecordStorage;
  readonly locks: WorkLocks;
  readonly memo: MemoStore;
  readonly cacheMounts: CacheMountStore;
  readonly history: HistoryStore;
  /** A fresh empty folder on the same filesystem, gone after `close()` or a moment later; after a crash, at the next open. */
  temporaryFolder(): string;
  /**
   * Names a file or folder outside of the state folder that this process makes and will remove itself. When it is killed before,
   * the next to open the state folder removes it: a file, or a folder that is empty by then.
   */
  removeIfKilled(path: string): void;
  /** The steps are done: where `close` waits for the disk, what they have committed goes there while their results are exported. */
  beginSync(): void;
  /**
   * Gives up all that is held. Layers may get to the disk a moment later (settle.ts): a power cut then costs them, and the names of images that
   * have them. In a container it waits for that, and throws TSB_STORE when the disk fails.
   */
  close(): Promise<void>;
}

/** The solver's records, and the way back from a key, which only the export of a cache goes. */
export interface RecordStorage extends CacheStorage {
  /** Links that lead to a key, newest first. */
  linksTo(child: CacheKeyId): readonly { readonly parent: CacheKeyId; readonly link: CacheLink }[];
  load(record: CacheRecord): Ref | undefined;
}

/** How much of a blob is in a temporary file; with its digest when that is all, and right. */
export interface WrittenBlob {
  readonly file: string;
  readonly sizeBytes: number;
  readonly digest?: Digest | undefined;
}

/**
 * Content-addressed bytes under `blobs/sha256/`. A blob is visible only whole, verified and durable. What this object has written,
 * or has told to be there (`has`, `size`, `path`, `compressed`), is held until the store is closed.
 */
export interface BlobStore {
  has(digest: Digest): boolean;
  /** Size in bytes, or undefined. */
  size(digest: Digest): number | undefined;
  /** Path of a committed blob for reading. Throws TSB_STORE when absent. */
  path(digest: Digest): string;
  read(digest: Digest): Uint8Array;
  /** Writes small bytes; returns their digest. Idempotent. */
  write(bytes: Uint8Array): Digest;
  /** Writes several at once, and leaves the thread to others while the disk works. */
  writeAll(documents: readonly Uint8Array[]): Promise<void>;
  /**
   * Streams bytes in. With `expected`, a wrong digest or size rejects with TSB_INTEGRITY and nothing becomes visible.
   * A full disk rejects with TSB_DISK_FULL. The temporary file never survives a failure. `onWritten` is told of that file, once it is
   * there and as it grows; not at all when the blob was here already. What is in it is not verified before all of it has come: then its digest is
   * told. It may not be on the disk yet, and is about to get its name.
   */
  ingest(
    source: AsyncIterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size?: number | undefined },
    onWritten?: (written: WrittenBlob) => void,
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Remembers a compressed form of a layer: (diff ID, variant such as `gzip-6`) to blob. */
  setCompressed(diffId: DiffId, variant: string, blob: Descriptor): void;
  /** A blob known to hold this layer in this variant; `any` for whichever exists. Only blobs that are present. */
  compressed(diffId: DiffId, variant: string): Descriptor | undefined;
}

/**
 * A stack of overlay layers. A snapshot is a parent and one layer folder; several snapshots may share a folder (merge).
 * Lifecycle: prepare → (write into `upper`) → commit or discard. A committed layer is never written again.
 */
export interface SnapshotStore {
  /**
   * A new writable layer on `parent` (null: on nothing). Held by the store's lease. `patch`: it holds only what the parent's topmost layer has
   * otherwise, and both are to be one layer of an image: what is written to it is compared with that layer, whiteouts hide what is there. The
   * parent is no patch itself, and its layer hides nothing of what is below (no whiteouts, no opaque folders).
   */
  prepare(parent: SnapshotId | null, options?: LayerOptions): ActiveSnapshot;
  /**
   * Freezes an active snapshot. Visible to all processes when it returns; held until the store is closed. `linkedTo`: files of its layer are
   * those of these snapshots' layers, by hard link, so that what they take is counted once.
   */
  commit(active: ActiveSnapshot, options?: { readonly linkedTo?: readonly SnapshotId[] }): SnapshotId;
  /** Says that much was written to a layer that is not committed yet: the disk may begin with it, there is less to wait for in the end. */
  filled(active: ActiveSnapshot): void;
  /** Throws the layer away. */
  discard(active: ActiveSnapshot): void;
  /** Layer folders of a snapshot, top first: what overlayfs takes as lowerdirs. Throws TSB_STORE when unknown. */
  lowers(id: SnapshotId): readonly string[];
  /** Layers of a snapshot, bottom first, as an image has them: a patch and what it is on are one. */
  layers(id: SnapshotId): readonly LayerInfo[];
  /** The last of them, without a look at those below. Throws TSB_STORE when unknown. */
  topLayer(id: SnapshotId): LayerInfo;
  /** The same as `layers` with a folder for each. Those of which there is a patch only are put together, once: by hard links, nothing is copied but the patch. */
  wholeLayers(id: SnapshotId): Promise<readonly WholeLayer[]>;
  /** A snapshot told to exist is held until the store is closed. */
  exists(id: SnapshotId): boolean;
  /** The snapshot without its last layer, as `layers` counts them. */
  parent(id: SnapshotId): SnapshotId | null;
  /** A snapshot with the same layer folders stacked on `parent`: rebase without copying (merge op). Reuses an equal one. */
  stack(parent: SnapshotId | null, layers: readonly WholeLayer[]): SnapshotId | null;
  /** Records what is known of a layer after it was packed. */
  setDiff(layer: number, diff: { readonly diffId: DiffId; readonly sizeBytes: number }): void;
  /**
   * The snapshot whose stack of diff IDs has this chain ID, if one exists: pulled and built layers are shared through it. Held
   * until the store is closed.
   */
  byChainId(chainId: ChainId): SnapshotId | undefined;
  setChainId(id: SnapshotId, chainId: ChainId): void;
  /** Keeps a snapshot (with its parents) from collection until `release` or the end of this process. */
  hold(id: SnapshotId): { release(): void };
  /** Whether this process holds it: then nobody collects it, and its id means it. */
  isHeld(id: SnapshotId): boolean;
}

export interface LayerOptions {
  readonly patch?: boolean | undefined;
  /** It is written without an overlay, which alone needs a work folder: none is made. */
  readonly inPlace?: boolean | undefined;
}

export interface ActiveSnapshot {
  readonly id: SnapshotId;
  readonly parent: SnapshotId | null;
  /** Folder of this layer. */
  readonly upper: string;
  /** overlayfs workdir on the same filesystem; not there when it is written in place. Goes soon after the layer is committed or discarded. */
  readonly work: string;
  /** Layer folders below, top first. */
  readonly lowers: readonly string[];
}

/** How snapshots are looked at. `auto`: overlayfs where it works on the state folder's file system, else copies. */
export type Snapshotter = "overlay" | "copy";

/**
 * Snapshots as file trees. The layer folders of the store are in overlayfs's form either way (whiteouts, opaque folders), so a
 * state folder can be used with one kind and then the other. Overlay: detached mounts. Copy: whole trees in temporary folders
 * (reflinks where the file system has them), compared with their former selves afterwards; needs no right to mount anything.
 */
export interface SnapshotViews {
  /** What is used here. Found out once per state folder and kernel, and remembered. */
  kind(): Promise<Snapshotter>;
  /**
   * A committed snapshot, for reading. `again`: it will be opened once more soon, so it may be kept open meanwhile. `only`: see there. `own`: its root is
   * shared with nobody who has it open too. For what a step mounts: kernels before 6.15 do not clone a detached mount, and it goes with the step's own.
   */
  open(id: SnapshotId, options?: OpenOptions): Promise<SnapshotView>;
  /**
   * A new layer on a parent (null: on nothing), for writing. `underlay`: a folder whose entries are seen where no layer of the parent has any, and
   * that becomes no part of the layer; views that are copies, and layers on nothing, do without it.
   */
  prepare(parent: SnapshotId | null, options?: PrepareOptions): Promise<WritableView>;
}

export interface OpenOptions {
  readonly again?: boolean | undefined;
  readonly own?: boolean | undefined;
  readonly only?: OnlyPaths | undefined;
}

/**
 * All that is looked at in a view: these paths, with the folders that they are in. Where one layer alone shows the same there, its folder is the root
 * of the view, and nothing is mounted; it may then hold anything elsewhere.
 */
export interface OnlyPaths {
  /** Relative and clean. */
  readonly paths: readonly string[];
  /** `file`: a regular file is to be at each; what else is there, or that nothing is, only a whole view tells. `place`: what is in a folder there is not looked at. */
  readonly kind: "file" | "place";
}

export interface PrepareOptions {
  readonly underlay?: string | undefined;
}

export interface SnapshotView {
  /** Root of the tree: of a detached mount where mounting is allowed, else the folder itself. */
  readonly root: number;
  close(): void;
}

/** A layer being written: ends with `commit` or `discard`. */
export interface WritableView {
  readonly active: ActiveSnapshot;
  readonly root: number;
  /**
   * Names what is in the root as long as nothing is written: views of one store with the same name show the same, but for owner, mode and time of
   * the root itself. Undefined where nothing tells that.
   */
  readonly shows?: string | undefined;
  /** Closes `root`; from then on `active.upper` holds what was written, and may be edited. Idempotent. */
  seal(): Promise<void>;
  commit(): Promise<SnapshotId>;
  discard(): void;
}

export interface LayerInfo {
  /** Row id of the layer folder. */
  readonly id: number;
  readonly diffId?: DiffId | undefined;
  /** Size of the uncompressed tar. */
  readonly sizeBytes?: number | undefined;
}

/** A layer whose folder has all of it. */
export interface WholeLayer extends LayerInfo {
  readonly folder: string;
  /** When a step made it, in milliseconds since the epoch; never another time. */
  readonly createdMs: number;
}

/** Named images. */
export interface ImageStore {
  /** `name` is fully normalised (`docker.io/library/debian:bookworm`). Replaces what the name meant before. */
  put(image: Omit<ImageRecord, "createdAt">): void;
  get(name: string): ImageRecord | undefined;
  /** Any image with this manifest digest; a variant of an index, or the index itself, as a record of it. */
  byDigest(digest: Digest): ImageRecord | undefined;
  list(): readonly ImageRecord[];
  remove(name: string): boolean;
}

export interface ImageRecord {
  readonly name: string;
  /** Digest of the manifest; for an image made here, of its manifest with uncompressed layers. The blob is in the store. */
  readonly manifest: Digest;
  /** Digest of the config: Docker's image ID. The blob is in the store. */
  readonly config: Digest;
  /** Top snapshot: null for an image without layers, undefined when its layers are not unpacked here. */
  readonly snapshot: SnapshotId | null | undefined;
  readonly origin: "built" | "imported" | "pulled";
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /**
   * Of a name that stands for an index (several platforms, attestations): what else it is. The fields above are then those of the image
   * for this machine, or of the first.
   */
  readonly index?: IndexRecord | undefined;
}

export interface IndexRecord {
  readonly digest: Digest;
  /** One per platform, in the index's order; the one that the record itself is of among them. */
  readonly variants: readonly ImageVariant[];
}

export type ImageVariant = Pick<ImageRecord, "manifest" | "config" | "snapshot">;

/** Small remembered values, e.g. a compiled graph per Dockerfile and options, a tag's digest, an ETag. */
export interface MemoStore {
  get(kind: string, key: string): Uint8Array | undefined;
  set(kind: string, key: string, value: Uint8Array): void;
}

/** Folders of RUN --mount=type=cache (D078). */
export interface CacheMountStore {
  /**
   * Opens the folder for `id`, waiting (locked) or making another one (private) when it is in use. `created` tells that it is
   * new and must be seeded by the caller before `release`; `abandon` gives back a new one that could not be seeded: the next to
   * come gets a new one again. `reset` starts with a fresh one that replaces the old (D090).
   *
   * Those who share a new folder wait until it is seeded: until `seeded`, which its first user may call as soon as that is so,
   * or `release`, which implies it.
   */
  acquire(options: {
    readonly id: string;
    readonly sharing: "shared" | "private" | "locked";
    readonly reset: boolean;
    readonly signal: AbortSignal;
  }): Promise<{
    readonly folder: string;
    readonly created: boolean;
    seeded(): void;
    release(): void;
    abandon(): void;
  }>;
}
