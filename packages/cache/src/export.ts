import { type Digest, errnoCode, TsbuildError } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci/documents";
import type { CacheKeyId, ResultId, SolvedOutput } from "@tsbuild/solver";
import { ChainCollector, type PortableResult } from "./chains.ts";
import type { CacheDocument, MountEntry } from "./document.ts";
import { CREATED_AT, UNCOMPRESSED } from "./document.ts";
import type { ImportingStorage } from "./imported-storage.ts";
import type { CacheTarget, OutgoingBlob } from "./ports.ts";

/** A layer as it goes out. */
export interface OutgoingLayer {
  readonly diffId: PortableResult["layers"][number]["diffId"];
  readonly blob: OutgoingBlob;
}

/** Makes the blobs of a result, bottom first; undefined where its layers are not here any more. */
export type LayersOf = (result: ResultId) => Promise<readonly OutgoingLayer[] | undefined>;

/** Names of a result's layers, bottom first, without packing them: enough to see whether one result is a part of another. */
export type StackOf = (result: ResultId) => readonly string[] | undefined;

export interface OutgoingMount {
  readonly id: string;
  readonly blob: OutgoingBlob;
}

export type ExportProgress =
  | ((status: { id: string; current: number; total: number; done?: boolean }) => void)
  | undefined;

export interface ExportSetup {
  readonly target: CacheTarget;
  /** `min`: results whose layers are layers of the build's result (V036); `max`: all of them. */
  readonly mode: "min" | "max";
  readonly layersOf: LayersOf;
  readonly stackOf: StackOf;
  readonly signal: AbortSignal;
}

export interface ExportSummary {
  /** Records that can be hit. */
  readonly results: number;
  readonly uploadedBytes: number;
  /** Of blobs that were there already. */
  readonly savedBytes: number;
}

/**
 * One --cache-to. With mode=max a result's layers are packed and sent as soon as it is recorded (`saved`), while the build goes on;
 * `finish` sends the rest and publishes. What fails before is told by `finish`.
 */
export class CacheExport {
  readonly #setup: ExportSetup;
  readonly #layers = new Map<ResultId, Promise<readonly OutgoingLayer[] | undefined>>();
  readonly #sent = new Map<Digest, Promise<void>>();
  readonly #blobs = new Map<Digest, OutgoingBlob>();
  readonly #slots: Slots;
  #onProgress: ExportProgress;
  #uploadedBytes = 0;
  #savedBytes = 0;

  constructor(setup: ExportSetup) {
    this.#setup = setup;
    this.#slots = new Slots(setup.target.parallelism);
  }

  /** A result was recorded. */
  saved(result: ResultId): void {
    if (this.#setup.mode === "min") return;
    // One after the other: the build needs the processors more.
    this.#sendResult(result).catch(() => undefined);
  }

  /** Waits for what was begun, after a build that failed. */
  async abandon(): Promise<void> {
    await Promise.allSettled([...this.#layers.values(), ...this.#sent.values()]);
  }

  async finish(
    storage: ImportingStorage,
    {
      solved,
      results: tops,
      mounts,
      onProgress,
    }: {
      readonly solved: readonly SolvedOutput[];
      /** The build's own results, one per platform. */
      readonly results: readonly ResultId[];
      readonly mounts: readonly OutgoingMount[];
      readonly onProgress?: ExportProgress;
    },
  ): Promise<ExportSummary> {
    const { target, signal, mode, stackOf } = this.#setup;
    this.#onProgress = onProgress;
    const document = await collectChains(storage, solved, {
      mode,
      tops,
      layersOf: (one) => this.#layersOf(one),
      stackOf,
    });
    const wanted = new Set(document.layers.map(({ blob }) => blob));
    const layers = (await Promise.all(this.#layers.values())).flatMap((found) => found ?? []);
    const outgoing = [...layers.map(({ blob }) => blob).filter((blob) => wanted.has(blob.descriptor.digest))];
    await allOf([...outgoing, ...mounts.map(({ blob }) => blob)].map((blob) => this.#send(blob)));
    const entries: MountEntry[] = mounts.map(({ id, blob: { descriptor } }) => ({
      id,
      blob: descriptor.digest,
      size: descriptor.size,
    }));
    const used = new Map(
      [...this.#blobs].filter(([digest]) => wanted.has(digest) || isMount(entries, digest)),
    );
    await target.finish({ ...document, mounts: entries }, used, signal);
    const results = document.records.filter((record) => record.results.length > 0).length;
    return { results, uploadedBytes: this.#uploadedBytes, savedBytes: this.#savedBytes };
  }

  async #sendResult(result: ResultId): Promise<void> {
    const layers = await this.#layersOf(result);
    await allOf((layers ?? []).map(({ blob }) => this.#send(blob)));
  }

  #layersOf(result: ResultId): Promise<readonly OutgoingLayer[] | undefined> {
    const known = this.#layers.get(result) ?? this.#setup.layersOf(result);
    this.#layers.set(result, known);
    // Told by `finish`, which asks again.
    known.catch(() => undefined);
    return known;
  }

  #send(blob: OutgoingBlob): Promise<void> {
    const { digest } = blob.descriptor;
    const known = this.#sent.get(digest) ?? this.#slots.run(() => this.#sendNow(blob));
    this.#sent.set(digest, known);
    known.catch(() => undefined);
    return known;
  }

  async #sendNow(blob: OutgoingBlob): Promise<void> {
    const { target, signal } = this.#setup;
    const { digest, size } = blob.descriptor;
    const id = `sending ${digest}`;
    const sent = await target.send(blob, {
      signal,
      onProgress: (current) => this.#onProgress?.({ id, current, total: size }),
    });
    this.#blobs.set(digest, blob);
    if (sent === "present") this.#savedBytes += size;
    else {
      this.#uploadedBytes += size;
      this.#onProgress?.({ id, current: size, total: size, done: true });
    }
  }
}

function isMount(mounts: readonly MountEntry[], digest: Digest): boolean {
  return mounts.some(({ blob }) => blob === digest);
}

/** When one fails, the others are waited for, so that nothing is written after the failure is shown. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** At most so many at once, in order. */
class Slots {
  readonly #free: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#free) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}

export interface CollectOptions {
  readonly mode: "min" | "max";
  /** The final results. */
  readonly tops: readonly ResultId[];
  readonly layersOf: LayersOf;
  readonly stackOf: StackOf;
}

/** The document of a solve. With mode=min only the layers of the final results go with it, and all results that consist of them. */
export async function collectChains(
  storage: Pick<ImportingStorage, "linksTo">,
  solved: readonly SolvedOutput[],
  { mode, tops, layersOf, stackOf }: CollectOptions,
): Promise<CacheDocument> {
  // Packing the final results first gives their layers the names that the others' are compared by.
  for (const top of tops) await layersOf(top);
  const finals = tops.map(stackOf);
  const results = new Map<CacheKeyId, PortableResult>();
  for (const { key, result, createdAt } of solved) {
    if (storage.linksTo(key).length === 0) continue;
    if (mode === "min" && !finals.some((final) => isPart(stackOf(result), final))) continue;
    const layers = await layersOf(result);
    if (layers === undefined || layers.length === 0) continue;
    const named = layers.map(({ diffId, blob }) => ({ diffId, blob: blob.descriptor.digest }));
    results.set(key, { createdAt, layers: named });
  }
  const collector = new ChainCollector((key) => storage.linksTo(key), results);
  for (const key of results.keys()) collector.add(key);
  return collector.document();
}

/** Whether a result is the final one, or a state on the way to it. */
function isPart(stack: readonly string[] | undefined, final: readonly string[] | undefined): boolean {
  if (stack === undefined || final === undefined) return false;
  return stack.length <= final.length && stack.every((layer, i) => layer === final[i]);
}

/** A layer's blob with what a manifest has to say of it. */
export function annotated(
  blob: OutgoingBlob,
  diffId: OutgoingLayer["diffId"],
  createdAt: number,
): OutgoingLayer {
  const annotations = { [UNCOMPRESSED]: diffId, [CREATED_AT]: new Date(createdAt).toISOString() };
  return { diffId, blob: { ...blob, descriptor: { ...blob.descriptor, annotations } } };
}

/** When a layer was made, as whoever exported it says; else `fallbackMs`. */
export function layerCreatedMs({ annotations }: Descriptor, fallbackMs: number): number {
  const ms = Date.parse(annotations?.[CREATED_AT] ?? "");
  return Number.isNaN(ms) ? fallbackMs : ms;
}

/** What a failed export means to the user. */
export function exportFailure(title: string, error: unknown): TsbuildError {
  const ignoring = "with ignore-error=true a cache that cannot be exported is only warned of";
  if (error instanceof TsbuildError) return error.with({ hint: error.hint ?? ignoring });
  const what = `the cache was not exported to ${title}`;
  const code = errnoCode(error) ?? "";
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TsbuildError("TSB_DISK_FULL", `${what}: no space left`, {
      hint: `free some space or choose another dest=; ${ignoring}`,
      cause: error,
    });
  }
  const inTheWay = code === "ENOTDIR" || code === "EEXIST";
  const message = error instanceof Error ? error.message : String(error);
  return new TsbuildError("TSB_EXPORT", `${what}: ${message}`, {
    hint: inTheWay ? `a file is in the way: choose another dest=; ${ignoring}` : ignoring,
    cause: error,
  });
}
