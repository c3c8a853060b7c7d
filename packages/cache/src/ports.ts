import type { Digest } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci/documents";
import type { CacheDocument } from "./document.ts";

/** Somebody's cache, opened: its keys are here, its blobs are where they were. */
export interface ImportedCache {
  readonly document: CacheDocument;
  /** By digest, annotated with diff IDs. */
  readonly blobs: ReadonlyMap<Digest, Descriptor>;
  /** Bytes as they come; whoever stores them checks the digest. */
  blob(blob: Descriptor, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
  /**
   * Whether a blob is still there, without fetching it. A place that cannot tell leaves it out; then results are fetched when they are found, since
   * one that is gone must be noticed while its step can still run.
   */
  readonly has?: ((blob: Descriptor, signal: AbortSignal | undefined) => Promise<boolean>) | undefined;
  /** The repository that the blobs are in: to another one on its host they can be mounted. */
  readonly repository?: { readonly host: string; readonly repository: string } | undefined;
}

/** A place that caches are imported from (--cache-from). */
export interface CacheSource {
  /** For people: `registry ghcr.io/me/cache:main`. */
  readonly title: string;
  /** One cache, or one per platform of an image; none where nothing was ever exported. Rejects with a TsbuildError. */
  open(signal: AbortSignal): Promise<readonly ImportedCache[]>;
}

/** A blob on its way out. */
export interface OutgoingBlob {
  readonly descriptor: Descriptor;
  /** Bytes from `offset` on. The memory of a chunk may be used again when the next one is asked for. */
  readonly open: (offset: number) => AsyncIterable<Uint8Array>;
}

export type Sent = "present" | "uploaded";

export interface SendOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
}

/** A place that a cache is exported to (--cache-to). Nothing refers to a blob before `finish` does. */
export interface CacheTarget {
  readonly title: string;
  /** How many blobs are sent at once. */
  readonly parallelism: number;
  /** Makes a blob be there. Several at once; one digest once. */
  send(blob: OutgoingBlob, options: SendOptions): Promise<Sent>;
  /** Publishes the document, all of whose blobs were sent. Replaces what was published before, whole. */
  finish(
    document: CacheDocument,
    blobs: ReadonlyMap<Digest, OutgoingBlob>,
    signal: AbortSignal,
  ): Promise<void>;
}
