import type { Digest } from "@tsbuild/base";
import { type ImageReference, type LayoutBlob, parseReference, readFileReusing } from "@tsbuild/oci";
import type { PushBlob, RegistryClient, RetryNotice } from "@tsbuild/registry";
import { blobSources, rememberSource } from "@tsbuild/store";
import type { ImageAttributes } from "./attributes.ts";
import type { ExportOptions, ExportProgress } from "./types.ts";

/** One repository and the names in it. */
export interface Destination {
  readonly reference: ImageReference;
  readonly tags: readonly string[];
}

function destinationsOf(names: readonly string[], attributes: ImageAttributes): Destination[] {
  const byRepository = new Map<string, { reference: ImageReference; tags: string[] }>();
  for (const reference of names.map(parseReference)) {
    const key = `${reference.host}/${reference.repository}`;
    const found = byRepository.get(key) ?? { reference, tags: [] };
    byRepository.set(key, found);
    if (reference.tag !== undefined && !attributes.pushByDigest) found.tags.push(reference.tag);
  }
  return [...byRepository.values()];
}

/** Bytes of a blob from `offset` on; the memory of a chunk is used again when the next one is asked for. */
export function bytesFrom(blob: LayoutBlob, offset: number): AsyncIterable<Uint8Array> {
  if ("bytes" in blob) return once(blob.bytes.subarray(offset));
  return "path" in blob ? readFileReusing(blob.path, offset) : skip(blob.open(), offset);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* skip(stream: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of stream) {
    if (left < chunk.length) yield left > 0 ? chunk.subarray(left) : chunk;
    left = Math.max(0, left - chunk.length);
  }
}

/** A layer that was never packed and the config that names it are new to everybody. Of others that can only be hoped. */
const SURE_UPLOADS = 2;

/** Where a push goes, and who brings it there. */
export interface Destinations {
  readonly client: RegistryClient;
  readonly destinations: readonly Destination[];
}

export async function openDestinations(
  names: readonly string[],
  attributes: ImageAttributes,
  registry: ExportOptions["registry"],
): Promise<Destinations> {
  if (registry === undefined) throw new Error("assertion failed: a push needs a registry client");
  const destinations = destinationsOf(names, attributes);
  const hosts = destinations.map(({ reference }) => reference.host);
  return { client: await registry({ insecureHosts: attributes.insecure ? hosts : [] }), destinations };
}

/** See `RegistryClient.expectUploads`. Others of the same host mount from the first. */
export async function expectUploads({ client, destinations: [first] }: Destinations): Promise<void> {
  if (first !== undefined) await client.expectUploads(first.reference, SURE_UPLOADS);
}

/** What a push works with. */
export type PushingOptions = Pick<ExportOptions, "store" | "signal" | "registry" | "onProgress">;

/** Blobs on their way to where one output is to be, each once. Its manifests and names come when all are there. */
export class Pushing {
  readonly client: RegistryClient;
  readonly destinations: readonly Destination[];
  readonly #options: PushingOptions;
  readonly #sent = new Map<Digest, Promise<void>>();
  readonly #told = new Map<string, Parameters<ExportProgress>[0]>();
  #onProgress: ExportProgress | undefined;

  private constructor(client: RegistryClient, destinations: readonly Destination[], options: PushingOptions) {
    this.client = client;
    this.destinations = destinations;
    this.#options = options;
    this.#onProgress = options.onProgress;
  }

  static async open(
    names: readonly string[],
    attributes: ImageAttributes,
    options: PushingOptions,
  ): Promise<Pushing> {
    const { client, destinations } = await openDestinations(names, attributes, options.registry);
    return new Pushing(client, destinations, options);
  }

  /** Opens the uploads that are certain to be needed while layers are being packed: a far registry answers in that time. Never rejects. */
  async expectUploads(): Promise<void> {
    await expectUploads(this);
  }

  /** From now on this one is told, and first of what has been going on. */
  showTo(onProgress: ExportProgress | undefined): void {
    this.#onProgress = onProgress;
    for (const status of this.#told.values()) onProgress?.(status);
  }

  readonly #tell: ExportProgress = (status) => {
    this.#told.set(status.id, status);
    this.#onProgress?.(status);
  };

  /** Shown as a part of the step, so that waiting looks like waiting. */
  readonly tellRetry = ({ reason, delayMs }: RetryNotice): void => {
    const id = `${reason}; trying again in ${(delayMs / 1000).toFixed(1)} s`;
    this.#tell({ id, current: 0, done: true });
  };

  /** The first repository gets the bytes; others of its host are likely to mount them from there. One layer can be in an image twice. */
  push(blob: LayoutBlob): Promise<void> {
    const sending = this.#sent.get(blob.digest) ?? this.#everywhere(blob);
    this.#sent.set(blob.digest, sending);
    return sending;
  }

  /** Begins with a blob; how that went whoever pushes it hears. */
  start(blob: LayoutBlob): void {
    this.push(blob).catch(() => undefined);
  }

  /** Rejects with the first failure at once. */
  async all(): Promise<void> {
    await Promise.all(this.#sent.values());
  }

  /** Resolves when nothing is on its way, arrived or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#sent.values());
  }

  async #everywhere(blob: LayoutBlob): Promise<void> {
    for (const destination of this.destinations) await this.#to(destination, blob);
  }

  async #to({ reference }: Destination, blob: LayoutBlob): Promise<void> {
    const { store, signal } = this.#options;
    const { digest, size } = blob;
    const id = `pushing ${digest}`;
    const { host, repository } = reference;
    const mountFrom = blobSources(store, host, digest);
    const open = (offset: number) => bytesFrom(blob, offset);
    const pushed: PushBlob = { digest, size, open, mountFrom, isNew: mountFrom.length === 0 };
    await this.client.pushBlob(reference, pushed, {
      signal,
      onRetry: this.tellRetry,
      onProgress: (current) => this.#tell({ id, current, total: size }),
    });
    rememberSource(store, { host, repository, digest });
    this.#tell({ id, current: size, total: size, done: true });
  }
}
