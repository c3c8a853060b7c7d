import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { nativeFs, TreeReader } from "@tsbuild/native-fs";
import type { CompressionVariant } from "../compression/compress.ts";
import { SMALL_BYTES } from "../layer/contents.ts";
import type { PackedLayer } from "../layer/measure.ts";
import type { UnpackedLayer } from "../layer/unpack-layer.ts";
import { release } from "../memory.ts";
import { ChunkQueue } from "./chunk-queue.ts";
import { type JobContext, type PackJob, runPackJob, runUnpackJob, type UnpackJob } from "./job.ts";
import { type JobListener, LayerThread } from "./thread.ts";

/** Below this, starting a thread (about 40 ms) costs more than the work. */
const SMALL_LAYER_BYTES = 4 * 1024 * 1024;
const SMALL_BLOB_BYTES = 1024 * 1024;
/**
 * A thread takes about 25 MB (measured), and two already keep a disk and the compressors of libuv's pool busy: with one per core, memory
 * would grow with the machine.
 */
const MAX_THREADS = 2;
/** Bytes that an entry counts besides its content. */
const ENTRY_BYTES = 1024;
/** Folders below the layer's root that are looked at first: as deep as the packages of /app/node_modules. */
const SHALLOW_DEPTH = 4;

const OWN_NAME = "/layer-workers.ts";
/** From sources the worker's own module; a bundle has it beside itself, with only what packing and unpacking takes. */
let workerEntry = new URL(
  import.meta.url.endsWith(OWN_NAME) ? "./layer-worker.ts" : "./layer-worker.js",
  import.meta.url,
);

/** Names the file that worker threads start with, for bundles that are cut in another way. */
export function setWorkerEntry(entry: URL): void {
  workerEntry = entry;
}

export interface JobOptions {
  readonly signal?: AbortSignal | undefined;
  /** See `PackOptions`. */
  readonly onSkipped?: ((path: string, why: string) => void) | undefined;
  /** Goes to a thread without a look at how much it is: the caller knows, or has seen that one waits. */
  readonly onThread?: boolean | undefined;
}

/**
 * A compressed layer as it comes; the memory of a chunk is used again when the next one is asked for. `result` is settled when the stream
 * has ended.
 */
export interface PackedStream {
  readonly stream: AsyncIterable<Uint8Array>;
  readonly result: Promise<PackedLayer>;
}

/** How much of a file counts. */
type Weight = (sizeBytes: number) => number;

/** Whether what is seen down to `depth` is small. */
async function isSmallDownTo(root: number, depth: number | undefined, weight: Weight): Promise<boolean> {
  const walked = await nativeFs.walk(root, "", { xattrs: false, ...(depth === undefined ? {} : { depth }) });
  const tree = new TreeReader(walked);
  let sizeBytes = tree.count * ENTRY_BYTES;
  for (let index = 0; index < tree.count && sizeBytes <= SMALL_LAYER_BYTES; index++) {
    sizeBytes += weight(tree.size(index));
  }
  release(walked);
  return sizeBytes <= SMALL_LAYER_BYTES;
}

/** Whether packing the folder takes less than starting a thread for it: it is done where it is asked for. */
export async function isSmallFolder(
  folder: string,
  weight: Weight = (sizeBytes) => sizeBytes,
): Promise<boolean> {
  const root = nativeFs.openFolder(folder);
  try {
    // A large tree mostly shows near its top that it is large: it is not walked whole only to learn that.
    return (
      (await isSmallDownTo(root, SHALLOW_DEPTH, weight)) && (await isSmallDownTo(root, undefined, weight))
    );
  } finally {
    nativeFs.close(root);
  }
}

/** How long a growing file will be is not known here. */
function isSmallBlob(blob: UnpackJob["blob"]): boolean {
  return typeof blob === "string" && statSync(blob).size <= SMALL_BLOB_BYTES;
}

function here({ signal, onSkipped }: JobOptions): JobContext {
  return {
    fs: nativeFs,
    signal: signal ?? new AbortController().signal,
    onSkipped: onSkipped ?? (() => undefined),
  };
}

function listen(options: JobOptions, onChunk: JobListener["onChunk"] = (_, done) => done()): JobListener {
  return { onChunk, onSkipped: (path, why) => options.onSkipped?.(path, why) };
}

/**
 * Packs and unpacks layers on worker threads, two at once; small ones right here, since a thread would take longer
 * to start. Threads are started when first needed, and do not keep the process alive.
 */
export class LayerWorkers {
  readonly #max: number;
  readonly #threads = new Set<LayerThread>();
  readonly #idle: LayerThread[] = [];
  readonly #waiting: ((thread: LayerThread) => void)[] = [];
  /** How many threads have a job. */
  readonly #busy = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

  constructor(options: { readonly threads?: number } = {}) {
    this.#max = options.threads ?? Math.min(availableParallelism(), MAX_THREADS);
  }

  /** A thread waits for work: to hand it some takes less than to look at how much that is. */
  get isIdle(): boolean {
    return this.#idle.length > 0;
  }

  async #acquire(): Promise<LayerThread> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#threads.size < this.#max) return this.#startThread();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #startThread(): LayerThread {
    const thread = new LayerThread(workerEntry);
    this.#threads.add(thread);
    return thread;
  }

  #release(thread: LayerThread): void {
    if (!thread.alive) this.#threads.delete(thread);
    const usable = thread.alive ? thread : undefined;
    const next = this.#waiting.shift();
    if (next !== undefined) next(usable ?? this.#startThread());
    else if (usable !== undefined) this.#idle.push(usable);
  }

  async #withThread<T>(options: JobOptions, work: (thread: LayerThread) => Promise<T>): Promise<T> {
    const thread = await this.#acquire();
    Atomics.add(this.#busy, 0, 1);
    try {
      options.signal?.throwIfAborted();
      return await work(thread);
    } finally {
      Atomics.sub(this.#busy, 0, 1);
      this.#release(thread);
    }
  }

  /**
   * Gets ready for jobs that are going to come, while there is time: starts a thread, and has it and this one pack what is small, as all that runs for
   * the first time takes ten times as long. Once; resolves when that is done.
   */
  async warm(job: PackJob & { readonly variant: CompressionVariant }): Promise<void> {
    if (this.#threads.size > 0) return;
    const unread = listen({});
    await this.#withThread({}, (thread) => thread.run({ type: "pack", job }, unread, undefined));
    const { stream } = this.pack(job);
    for await (const _chunk of stream);
  }

  /** Starts threads for as many jobs as are about to come, while what they will work on is still waited for. */
  begin(jobs: number): void {
    while (this.#threads.size < Math.min(jobs, this.#max)) this.#idle.push(this.#startThread());
  }

  /** Diff ID and size of a layer folder. */
  async measure(job: Omit<PackJob, "variant">, options: JobOptions = {}): Promise<PackedLayer> {
    // Large files are hashed on libuv's pool, whoever asks for it.
    const isHere = await isSmallFolder(job.folder, (sizeBytes) => (sizeBytes > SMALL_BYTES ? 0 : sizeBytes));
    if (isHere) return runPackJob(job, here(options), () => Promise.resolve());
    return this.#withThread(options, (thread) =>
      thread.run({ type: "pack", job }, listen(options), options.signal),
    );
  }

  /** Packs and compresses a layer folder. The stream must be read, or ended with `return`. */
  pack(job: PackJob & { readonly variant: CompressionVariant }, options: JobOptions = {}): PackedStream {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    const queue = new ChunkQueue(() => stop.abort());
    const result = this.#pack(job, { ...options, signal }, queue);
    result.then(
      () => queue.end(),
      (error: Error) => queue.end(error),
    );
    return { stream: queue.chunks(), result };
  }

  async #pack(job: PackJob, options: JobOptions, queue: ChunkQueue): Promise<PackedLayer> {
    const isHere = options.onThread !== true && (await isSmallFolder(job.folder));
    if (isHere) return runPackJob(job, here(options), (chunk) => queue.put(chunk));
    return this.#withThread(options, async (thread) => {
      let unread: Promise<void> = Promise.resolve();
      const listener = listen(options, (bytes, done) => {
        unread = queue.put(bytes).then(done);
      });
      const packed = await thread.run({ type: "pack", job }, listener, options.signal);
      // The chunks are memory of the thread: its next job would write over those that nobody has read yet.
      await unread;
      return packed;
    });
  }

  /** Unpacks a layer blob into an empty layer folder. The caller compares the diff ID. */
  async unpack(job: UnpackJob, options: JobOptions = {}): Promise<UnpackedLayer> {
    if (isSmallBlob(job.blob)) return runUnpackJob(job, here(options));
    return this.#withThread(options, async (thread) => {
      const request = { type: "unpack", job, busy: this.#busy.buffer } as const;
      const result = await thread.run(request, listen(options), options.signal);
      return result as UnpackedLayer;
    });
  }

  /** Ends the threads; jobs still running fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()));
    this.#threads.clear();
    this.#idle.length = 0;
  }
}
