import { closeSync, openSync } from "node:fs";
import { type DiffId, TsbuildError } from "@tsbuild/base";
import { type Descriptor, GrowingFile, type LayerWorkers, released, type UnpackedLayer } from "@tsbuild/oci";
import type { OpContext } from "@tsbuild/solver";
import type { ActiveSnapshot } from "@tsbuild/store";
import { withProgress } from "../progress.ts";
import { withPlace } from "./damage.ts";
import type { Origin } from "./origin.ts";
import type { ProviderOptions } from "./provider.ts";

export interface LayerJob {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

/** A layer that is unpacked and not committed yet. */
export interface OpenedLayer {
  readonly job: LayerJob;
  readonly active: ActiveSnapshot;
  readonly unpacked: UnpackedLayer;
}

export interface UnpackRun {
  readonly options: ProviderOptions;
  readonly origin: Origin;
  readonly context: OpContext;
  readonly workers: LayerWorkers;
  readonly remembered: "pulled" | "loaded";
  /** The context's, and that of a layer that failed: then the others need not go on. */
  readonly signal: AbortSignal;
}

/** Below this there is nothing to gain, and no thread to start: it is unpacked when it is there. */
const SMALL_BLOB_BYTES = 1024 * 1024;

/** From here on the disk begins with a layer while others are unpacked. */
const LARGE_BYTES = 16 * 1024 * 1024;

/** Fetches a layer's blob, if it is not here, and unpacks it into a snapshot of its own. Both digests are right when it resolves. */
export async function openLayer(run: UnpackRun, job: LayerJob): Promise<OpenedLayer> {
  const { snapshots } = run.options.env.store;
  const active = snapshots.prepare(null, { inPlace: true });
  try {
    const unpacked = await unpackBlob(run, job.blob, active.upper);
    if (unpacked.diffId === job.diffId) {
      if (unpacked.sizeBytes >= LARGE_BYTES) snapshots.filled(active);
      return { job, active, unpacked };
    }
    const why = `it unpacks to ${unpacked.diffId}, the config says ${job.diffId}`;
    throw new TsbuildError("TSB_INTEGRITY", why);
  } catch (error) {
    snapshots.discard(active);
    throw withPlace(error, `${run.origin.name}: layer ${job.blob.digest}`);
  }
}

/** Whether the layer is unpacked on a thread, while its blob comes. */
export function isUnpackedAsItComes({ env }: ProviderOptions, blob: Descriptor): boolean {
  return blob.size > SMALL_BLOB_BYTES && !env.store.blobs.has(blob.digest);
}

async function unpackBlob(run: UnpackRun, blob: Descriptor, folder: string): Promise<UnpackedLayer> {
  const { blobs } = run.options.env.store;
  if (isUnpackedAsItComes(run.options, blob)) return new ArrivingLayer(run, blob, folder).unpack();
  if (!blobs.has(blob.digest)) await ingest(run, blob, run.signal);
  const { userxattr } = run.options.env;
  const job = { blob: blobs.path(blob.digest), folder, userxattr };
  return run.workers.unpack(job, { signal: run.signal });
}

type OnWritten = (written: { readonly file: string; readonly sizeBytes: number }) => void;

async function ingest(
  { options, origin, context }: UnpackRun,
  blob: Descriptor,
  signal: AbortSignal,
  onWritten?: OnWritten,
): Promise<void> {
  const progress = { id: blob.digest, total: blob.size };
  // What comes from a socket or a file is ours alone; `ingest` has hashed and written it when it asks for more.
  const bytes = withProgress(released(origin.blob(blob, signal)), context, progress);
  await options.env.store.blobs.ingest(bytes, { digest: blob.digest, size: blob.size }, onWritten);
}

/**
 * A layer that is unpacked while its blob still comes: a thread reads the file behind the one that writes it. The bytes are not verified
 * by then, so nothing may come of either unless both are right: `unpack` resolves only when the whole blob has had its digest, and the
 * caller makes the snapshot visible after that. Unpacking fears no bytes anyway: a digest says nothing of what an archive wants to do.
 */
class ArrivingLayer {
  readonly #run: UnpackRun;
  readonly #blob: Descriptor;
  readonly #folder: string;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #file: GrowingFile | undefined;
  #unpacking: Promise<UnpackedLayer> | undefined;

  constructor(run: UnpackRun, blob: Descriptor, folder: string) {
    this.#run = run;
    this.#blob = blob;
    this.#folder = folder;
    this.#signal = AbortSignal.any([run.signal, this.#stop.signal]);
  }

  /** Settles when nothing is fetched, written or read any more. */
  async unpack(): Promise<UnpackedLayer> {
    try {
      await this.#fetch();
      return await (this.#unpacking ?? this.#unpackStored());
    } finally {
      await this.#unpacking?.catch(() => undefined);
      if (this.#file !== undefined) closeSync(this.#file.fd);
    }
  }

  async #fetch(): Promise<void> {
    try {
      await ingest(this.#run, this.#blob, this.#signal, (written) => this.#onWritten(written));
      this.#file?.end();
    } catch (error) {
      this.#run.signal.throwIfAborted();
      // Stopped for want of a place to unpack to: that is the failure then.
      if (this.#stop.signal.aborted) await this.#unpacking;
      this.#stop.abort(error);
      throw error;
    }
  }

  #onWritten({ file, sizeBytes }: { readonly file: string; readonly sizeBytes: number }): void {
    this.#file ??= this.#startAt(file);
    this.#file.grow(sizeBytes);
  }

  #startAt(path: string): GrowingFile {
    const file = new GrowingFile(openSync(path, "r"));
    const { userxattr } = this.#run.options.env;
    const job = { blob: file, folder: this.#folder, userxattr };
    this.#unpacking = this.#run.workers.unpack(job, { signal: this.#signal });
    this.#unpacking.catch((error: unknown) => this.#onFailure(error));
    return file;
  }

  /** Damaged bytes may have come over a bad line: the rest is fetched to tell by the digest. Else there is no use in it. */
  #onFailure(error: unknown): void {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_INTEGRITY") this.#stop.abort(error);
  }

  /** Somebody else has fetched it in the meantime. */
  #unpackStored(): Promise<UnpackedLayer> {
    const { options, workers, signal } = this.#run;
    const { store, userxattr } = options.env;
    const job = { blob: store.blobs.path(this.#blob.digest), folder: this.#folder, userxattr };
    return workers.unpack(job, { signal });
  }
}
