import { chainId, type DiffId, type Digest, TsbuildError, type VertexDigest } from "@tsbuild/base";
import {
  annotated,
  CacheExport,
  CacheOptions,
  type CacheTarget,
  checkInline,
  collectChains,
  exportFailure,
  type ImportedGraph,
  type ImportedStack,
  ImportingStorage,
  inlineRecords,
  layerCreatedMs,
  mountChoice,
  type OutgoingLayer,
  type OutgoingMount,
  openSource,
  openTarget,
  type TargetSettings,
  targetSettings,
} from "@tsbuild/cache";
import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import type { OpContext, Ref, ResultId, SolveResult } from "@tsbuild/solver";
import { refForRemote, refForSnapshot, snapshotOfResult } from "@tsbuild/store";
import type { BuildRun } from "./build.ts";
import { importCache, type OpenedCache } from "./cache-import.ts";
import { asStep } from "./export-step.ts";

interface Export {
  readonly target: CacheTarget;
  readonly settings: TargetSettings;
  readonly work: CacheExport;
}

/**
 * The caches that one build imports from and exports to (V030–V038). Imported records count for this build only; see `ImportedGraph` for
 * how what is built on them stays apart.
 */
export class CacheSharing {
  readonly #run: BuildRun;
  readonly #exports: Export[] = [];
  #inline = false;
  #importing: Promise<readonly OpenedCache[]> = Promise.resolve([]);
  #storage: ImportingStorage | undefined;
  #packing: Promise<unknown> = Promise.resolve();
  readonly #caches = new Map<ImportedGraph, OpenedCache>();
  readonly #fetched = new Map<string, Promise<Ref | undefined>>();
  #isPassedOn: (vertex: VertexDigest) => boolean = () => false;

  /** Begins to import; wrong options are told now. */
  static async open(run: BuildRun): Promise<CacheSharing> {
    const sharing = new CacheSharing(run);
    await sharing.#open();
    return sharing;
  }

  private constructor(run: BuildRun) {
    this.#run = run;
  }

  async #open(): Promise<void> {
    const { request, session, env } = this.#run;
    const places = { store: session.store, registry: session.registry.bind(session), env };
    const sources = await Promise.all(
      (request.cacheFrom ?? []).map(async (one) => {
        const options = new CacheOptions("--cache-from", one);
        return { source: await openSource(options, places), mounts: mountChoice(options) };
      }),
    );
    for (const one of request.cacheTo ?? []) {
      const options = new CacheOptions("--cache-to", one);
      if (options.type === "inline") {
        checkInline(options);
        this.#inline = true;
      } else {
        const settings = targetSettings(options);
        await checkCompression(options, settings);
        this.#exports.push(this.#openExport(await openTarget(options, places), settings));
      }
    }
    const imports = sources.map(({ source, mounts }) => importCache(this.#run, source, mounts));
    this.#importing = Promise.all(imports).then((found) => found.flat());
    // Told by `storage`; a build that fails before that has its own error.
    this.#importing.catch(() => undefined);
  }

  #openExport(target: CacheTarget, settings: TargetSettings): Export {
    const { signal } = this.#run;
    const layersOf = (result: ResultId) => this.#layersOf(result, settings.compression);
    const stackOf = (result: ResultId) => this.#stackOf(result);
    return {
      target,
      settings,
      work: new CacheExport({ target, mode: settings.mode, layersOf, stackOf, signal }),
    };
  }

  /** Of which vertices the results only leave the build: those may stay where they are (V021). */
  passOn(isPassedOn: (vertex: VertexDigest) => boolean): void {
    this.#isPassedOn = isPassedOn;
  }

  /** The state folder's records and the imported ones. */
  async storage(): Promise<ImportingStorage> {
    for (const cache of await this.#importing) this.#caches.set(cache.graph, cache);
    const fetch = (stack: ImportedStack, context: OpContext) => this.#fetch(stack, context);
    this.#storage ??= new ImportingStorage(this.#run.session.store.cache, [...this.#caches.keys()], fetch);
    return this.#storage;
  }

  /** A result was recorded. */
  saved(result: ResultId): void {
    for (const { work } of this.#exports) work.saved(result);
  }

  /** Resolves when nothing is being packed; what was packed may still be on its way. */
  async packed(): Promise<void> {
    await this.#packing.catch(() => undefined);
  }

  /** The build failed: what is under way ends. */
  async abandon(): Promise<void> {
    await Promise.all(this.#exports.map(({ work }) => work.abandon()));
  }

  /** Records for the config of the image that was made of `ref`; undefined unless `type=inline` was asked for. */
  async inlineRecords({ solved }: SolveResult, ref: Ref | null): Promise<string | undefined> {
    if (!this.#inline || ref?.id === undefined) return undefined;
    const layersOf = (result: ResultId) => this.#layersOf(result, {});
    const layers = (await layersOf(ref.id)) ?? [];
    const document = await collectChains(await this.storage(), solved, {
      mode: "min",
      tops: [ref.id],
      layersOf,
      stackOf: (result) => this.#stackOf(result),
    });
    const diffIds = new Map<Digest, DiffId>(
      layers.map(({ blob, diffId }) => [blob.descriptor.digest, diffId]),
    );
    return inlineRecords(
      document,
      layers.map(({ diffId }) => diffId),
      (blob) => diffIds.get(blob),
    );
  }

  /** Sends what is left and publishes. A failure is the build's, unless `ignore-error` (V038). */
  async finish(solve: SolveResult): Promise<void> {
    const done = await Promise.allSettled(this.#exports.map((one) => this.#export(one, solve)));
    const failed = done.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #export({ target, settings, work }: Export, { solved, ref, others }: SolveResult): Promise<void> {
    const storage = await this.storage();
    try {
      await asStep(this.#run.emit, `exporting cache to ${target.title}`, async (tell, log) => {
        const mounts = await this.#mounts(settings);
        const all = [ref, ...others.map((other) => other.ref)].flatMap((one) => one?.id ?? []);
        const summary = await work.finish(storage, { solved, results: all, mounts, onProgress: tell });
        const { results, uploadedBytes, savedBytes } = summary;
        log(
          `${results} results; sent ${megabytes(uploadedBytes)}, ${megabytes(savedBytes)} were there already`,
        );
      });
    } catch (error) {
      const failure = exportFailure(target.title, error);
      if (!settings.ignoreError || failure.code === "TSB_CANCELED") throw failure;
      const known = failure.message.includes(target.title);
      this.#warn(
        known ? failure.message : `the cache was not exported to ${target.title}: ${failure.message}`,
      );
    }
  }

  async #mounts({ mounts }: TargetSettings): Promise<readonly OutgoingMount[]> {
    if (mounts === "none") return [];
    return (await import("./cache-mount-sharing.ts")).packMounts(this.#run, mounts);
  }

  #warn(message: string): void {
    this.#run.emit({ type: "warning", at: Date.now(), rule: "cache", message });
  }

  /** Once per result and build. A result that cannot be had is computed: that a cache is broken never fails a build. */
  async #fetch(stack: ImportedStack, context: OpContext): Promise<Ref | undefined> {
    if (this.#isPassedOn(context.vertex)) {
      const remote = await this.#remote(stack, context);
      if (remote !== undefined) return remote;
    }
    const id = stack.layers.map(({ diffId }) => diffId).join(" ");
    const fetched = this.#fetched.get(id) ?? this.#fetchNow(stack, context);
    this.#fetched.set(id, fetched);
    return (await fetched)?.clone();
  }

  /** The layers of a result where they are, when they all are still there and not all here. */
  async #remote(
    { graph, layers, createdAt, result }: ImportedStack,
    { signal }: OpContext,
  ): Promise<Ref | undefined> {
    const imported = this.#caches.get(graph)?.imported;
    const chain = chainId(layers.map(({ diffId }) => diffId));
    const { snapshots } = this.#run.session.store;
    if (imported?.has === undefined || chain === undefined || snapshots.byChainId(chain) !== undefined)
      return undefined;
    const { has } = imported;
    // What cannot be asked is found out by fetching, which tells.
    const there = await Promise.all(layers.map(({ blob }) => has(blob, signal).catch(() => false)));
    if (there.includes(false)) return undefined;
    const { repository } = imported;
    const remote = layers.map(({ diffId, blob }) => ({
      diffId,
      blob,
      createdMs: layerCreatedMs(blob, createdAt),
      repository,
      open: (stop: AbortSignal | undefined) => imported.blob(blob, stop),
    }));
    return refForRemote(remote, result);
  }

  async #fetchNow({ graph, layers }: ImportedStack, context: OpContext): Promise<Ref | undefined> {
    const cache = this.#caches.get(graph);
    if (cache === undefined) return undefined;
    const { store } = this.#run.session;
    try {
      const { unpackChain } = await import("@tsbuild/ops/unpack-chain");
      const env = { store, fs: nativeFs, userxattr: inUserNamespace() };
      const { repository } = cache.imported;
      const chain = {
        name: `the cache ${graph.origin}`,
        layers,
        repository,
        blob: cache.imported.blob.bind(cache.imported),
      };
      return refForSnapshot(store, await unpackChain(env, chain, context));
    } catch (error) {
      if (context.signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      this.#warn(`a result of the cache ${graph.origin} cannot be used, its step runs: ${why}`);
      return undefined;
    }
  }

  async #layersOf(
    result: ResultId,
    compression: Readonly<Record<string, string>>,
  ): Promise<readonly OutgoingLayer[] | undefined> {
    const { session, signal } = this.#run;
    const imported = this.#storage?.stackOf(result);
    if (imported !== undefined) return this.#importedLayers(imported);
    const snapshot = snapshotOfResult(result);
    if (snapshot === null) return [];
    if (snapshot === undefined || !session.store.snapshots.exists(snapshot)) return undefined;
    const { snapshotLayers } = await import("@tsbuild/export");
    // Results share layers: one after the other each layer is packed once, and the build keeps its processors.
    const pack = () => snapshotLayers(snapshot, compression, { store: session.store, signal });
    const packing = this.#packing.then(pack, pack);
    this.#packing = packing;
    const layers = await packing;
    return layers.map(({ diffId, createdMs, descriptor, open }) =>
      annotated({ descriptor, open }, diffId, createdMs),
    );
  }

  /** As they came: from where they are, when no step has needed them here. */
  #importedLayers({ graph, layers }: ImportedStack): readonly OutgoingLayer[] | undefined {
    const cache = this.#caches.get(graph);
    if (cache === undefined) return undefined;
    return layers.map(({ blob, diffId }) => ({
      diffId,
      blob: { descriptor: blob, open: (offset) => from(cache.imported.blob(blob, this.#run.signal), offset) },
    }));
  }

  #stackOf(result: ResultId): readonly string[] | undefined {
    const imported = this.#storage?.stackOf(result);
    if (imported !== undefined) return imported.layers.map(({ diffId }) => diffId);
    const snapshot = snapshotOfResult(result);
    if (snapshot === null || snapshot === undefined) return undefined;
    const { snapshots } = this.#run.session.store;
    if (!snapshots.exists(snapshot)) return undefined;
    return snapshots.layers(snapshot).map(({ id, diffId }) => diffId ?? `layer ${id}`);
  }

  /** Gives up what was fetched. */
  async close(): Promise<void> {
    for (const fetched of this.#fetched.values()) (await fetched)?.release();
  }
}

/** Now, and not when the first layer is packed. */
async function checkCompression(options: CacheOptions, { compression }: TargetSettings): Promise<void> {
  if (Object.keys(compression).length === 0) return;
  const { wantedCompression } = await import("@tsbuild/export/wanted");
  try {
    wantedCompression([{ type: "oci", attrs: compression }]);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    throw options.fail(error.message.replace(/^output type=oci: /, ""), error.hint);
  }
}

async function* from(bytes: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of bytes) {
    if (left < chunk.length) yield Buffer.from(chunk.subarray(left));
    left = Math.max(0, left - chunk.length);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`;
}
