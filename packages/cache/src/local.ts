import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type Digest, digestHex, errnoCode, isDigest, limits, sha256, TsbuildError } from "@tsbuild/base";
import { type Descriptor, makeFolders, parseIndex, parseManifest } from "@tsbuild/oci/documents";
import type { Store } from "@tsbuild/store";
import { type ManifestBytes, type ManifestForm, openManifest, packageCache } from "./manifest.ts";
import type { CacheSource, CacheTarget, OutgoingBlob, SendOptions, Sent } from "./ports.ts";

export interface LocalSourcePlace {
  readonly src: string;
  readonly tag: string;
  readonly digest: Digest | undefined;
}

export interface LocalTargetPlace extends ManifestForm {
  readonly dest: string;
  readonly tag: string;
  /** Afterwards blobs that no tag of the folder needs are removed. */
  readonly reset: boolean;
}

const REF_NAME = "org.opencontainers.image.ref.name";

function blobPath(folder: string, digest: Digest): string {
  return join(folder, "blobs", "sha256", digestHex(digest));
}

async function readBlob(folder: string, digest: Digest): Promise<Uint8Array> {
  const path = blobPath(folder, digest);
  const { size } = await stat(path);
  if (size > limits.manifestBytes)
    throw new TsbuildError("TSB_INTEGRITY", `${path} is too long for a manifest`);
  const bytes = await readFile(path);
  if (sha256(bytes) === digest) return bytes;
  throw new TsbuildError("TSB_INTEGRITY", `${path} has the digest ${sha256(bytes)}, not that of its name`);
}

async function readIndex(folder: string): Promise<readonly Descriptor[] | undefined> {
  try {
    return parseIndex(await readFile(join(folder, "index.json")), join(folder, "index.json")).manifests;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** `type=local` of --cache-from (V032): a folder in the form of an OCI layout. */
export function localSource({ src, tag, digest }: LocalSourcePlace): CacheSource {
  const folder = resolve(src);
  return {
    title: `local ${src}`,
    open: async (signal) => {
      const wanted = digest ?? (await digestOfTag(folder, tag));
      const reader = {
        manifest: (one: Digest) => readBlob(folder, one),
        blob: (blob: Descriptor, stop: AbortSignal | undefined) =>
          createReadStream(blobPath(folder, blob.digest), stop === undefined ? {} : { signal: stop }),
      };
      return openManifest(await readBlob(folder, wanted), reader, signal);
    },
  };
}

async function digestOfTag(folder: string, tag: string): Promise<Digest> {
  const entries = await readIndex(folder);
  if (entries === undefined)
    throw new TsbuildError("TSB_RESOLVE", `${folder} holds no cache: there is no index.json in it`);
  const found = entries.find((entry) => (entry.annotations?.[REF_NAME] ?? "latest") === tag);
  if (found !== undefined) return found.digest;
  const tags = entries.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
  throw new TsbuildError("TSB_RESOLVE", `the cache ${folder} has no tag ${JSON.stringify(tag)}`, {
    hint: tags.length === 0 ? undefined : `it has ${tags.join(", ")}`,
  });
}

/** `type=local` of --cache-to. Blobs and index appear whole or not at all; several exports to one folder keep each other's tags. */
export function localTarget(place: LocalTargetPlace, store: Pick<Store, "removeIfKilled">): CacheTarget {
  return new LocalTarget(place, store);
}

class LocalTarget implements CacheTarget {
  readonly title: string;
  readonly parallelism = 2;
  readonly #place: LocalTargetPlace;
  readonly #folder: string;

  readonly #store: Pick<Store, "removeIfKilled">;

  constructor(place: LocalTargetPlace, store: Pick<Store, "removeIfKilled">) {
    this.#store = store;
    this.#place = place;
    this.#folder = resolve(place.dest);
    this.title = `local ${place.dest}`;
  }

  async send(blob: OutgoingBlob, { signal, onProgress }: SendOptions): Promise<Sent> {
    const { digest, size } = blob.descriptor;
    const path = blobPath(this.#folder, digest);
    if ((await sizeOf(path)) === size) return "present";
    await this.#write(path, verified(digest, blob.open(0)), { signal, onProgress });
    return "uploaded";
  }

  async finish(
    document: Parameters<CacheTarget["finish"]>[0],
    blobs: ReadonlyMap<Digest, OutgoingBlob>,
    signal: AbortSignal,
  ): Promise<void> {
    const { config, manifest } = packageCache(document, blobs, this.#place);
    makeFolders(join(this.#folder, "blobs", "sha256"));
    await writeFile(join(this.#folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await withLock({ folder: this.#folder, store: this.#store, signal }, async () => {
      // Another export with reset=true may have removed what was there when it was looked for.
      for (const blob of blobs.values()) await this.send(blob, { signal });
      for (const one of [config, manifest]) await this.#put(one, signal);
      await this.#setTag(manifest);
      if (this.#place.reset) await removeUnnamed(this.#folder);
    });
  }

  async #put({ digest, bytes }: ManifestBytes, signal: AbortSignal): Promise<void> {
    const path = blobPath(this.#folder, digest);
    if ((await sizeOf(path)) !== bytes.length) await this.#write(path, once(bytes), { signal });
  }

  async #setTag({ digest, mediaType, bytes }: ManifestBytes): Promise<void> {
    const { tag } = this.#place;
    const annotations = { [REF_NAME]: tag };
    const others = ((await readIndex(this.#folder)) ?? []).filter(
      (entry) => (entry.annotations?.[REF_NAME] ?? "latest") !== tag,
    );
    const entry = { mediaType, digest, size: bytes.length, annotations };
    const index = { schemaVersion: 2, manifests: [...others, entry] };
    const text = Buffer.from(JSON.stringify(index), "utf8");
    await this.#write(join(this.#folder, "index.json"), once(text), {});
  }

  /** Under another name first, then renamed. */
  async #write(
    path: string,
    bytes: AsyncIterable<Uint8Array>,
    { signal, onProgress }: Partial<SendOptions>,
  ): Promise<void> {
    const { lent } = await import("@tsbuild/oci");
    makeFolders(dirname(path));
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    this.#store.removeIfKilled(temporary);
    const file = await open(temporary, "wx");
    try {
      await pipeline(lent(counted(bytes, onProgress)), file.createWriteStream({ flush: true }), { signal });
      await rename(temporary, path);
    } finally {
      await file.close();
      await rm(temporary, { force: true });
    }
  }
}

/** A file whose name is a digest holds what has that digest, or is not made. */
async function* verified(digest: Digest, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const found = `sha256:${hash.digest("hex")}`;
  if (found === digest) return;
  throw new TsbuildError("TSB_INTEGRITY", `the blob ${digest} was read as ${found}`, {
    hint: "`tsbuild fsck --deep` looks for damage in the state folder",
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  onProgress: SendOptions["onProgress"],
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    yield chunk;
    sent += chunk.length;
    onProgress?.(sent);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

const LOCK_WAIT_MS = 50;
/** The work under the lock is short; a lock this old was left by a process that was killed. */
const LOCK_STALE_MS = 10 * 60 * 1000;

/** A file that only one can make. Not flock: the folder may be on a file system that several machines write to. */
async function withLock<T>(
  {
    folder,
    store,
    signal,
  }: {
    readonly folder: string;
    readonly store: Pick<Store, "removeIfKilled">;
    readonly signal: AbortSignal;
  },
  work: () => Promise<T>,
): Promise<T> {
  const path = join(folder, "index.json.tsbuild-lock");
  const own = `${path}.${randomBytes(6).toString("hex")}`;
  store.removeIfKilled(own);
  await writeFile(own, String(process.pid));
  try {
    while (!(await tryLink(own, path))) {
      signal.throwIfAborted();
      await removeStale(path);
      await delay(LOCK_WAIT_MS, undefined, { signal });
    }
    try {
      return await work();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function removeStale(path: string): Promise<void> {
  try {
    const holder = Number(await readFile(path, "utf8"));
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > LOCK_STALE_MS || isGone(holder)) await rm(path, { force: true });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
  }
}

/** A process that this machine does not have, or has not any more. One of another machine looks the same: its lock is short. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoCode(error) === "ESRCH";
  }
}

/** Under the lock: removes blobs that no tag leads to. */
async function removeUnnamed(folder: string): Promise<void> {
  const named = new Set<string>();
  for (const { digest } of (await readIndex(folder)) ?? []) {
    named.add(digestHex(digest));
    for (const blob of namedBy(await readBlob(folder, digest))) named.add(digestHex(blob));
  }
  const blobs = join(folder, "blobs", "sha256");
  for (const name of await readdir(blobs)) {
    if (!named.has(name) && isDigest(`sha256:${name}`)) await rm(join(blobs, name));
  }
}

function namedBy(manifest: Uint8Array): Digest[] {
  const { manifests } = JSON.parse(Buffer.from(manifest).toString("utf8")) as {
    readonly manifests?: unknown;
  };
  if (manifests !== undefined) return parseIndex(manifest).manifests.map(({ digest }) => digest);
  const { config, layers } = parseManifest(manifest);
  return [config, ...layers].map(({ digest }) => digest);
}
