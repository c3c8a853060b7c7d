import { posix } from "node:path";
import { type Digest, limits, TsbuildError } from "@tsbuild/base";
import { decompress, readTar } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";

export interface ArchivedFile {
  readonly digest: Digest;
  readonly size: number;
}

/** An archive of images, read once: its files are blobs of the store now, held by its lease. */
export interface ReadArchive {
  /** The documents at its top that say what is in it, by name. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** A file by its path in the archive, links followed. */
  file(path: string): ArchivedFile | undefined;
}

/** Documents that are read where they are; all else is a blob, however small. */
const DOCUMENTS: ReadonlySet<string> = new Set(["manifest.json", "index.json", "oci-layout"]);

/** An image of the most layers takes a tenth of this in docker's oldest form. */
const MAX_MEMBERS = 50_000;

/** Links to links in docker's old archives are one deep. */
const MAX_LINKS = 8;

function refuse(why: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive is no archive of images: ${why}`, { hint });
}

/** `./blobs//x` → `blobs/x`. A name for a table, never for the disk. */
function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).slice(1);
}

async function readDocument(name: string, body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limits.manifestBytes) throw refuse(`${name} is longer than ${limits.manifestBytes} bytes`);
    chunks.push(Uint8Array.from(chunk));
  }
  return Buffer.concat(chunks);
}

/** The digest that a layout's file has to have by its name. */
function namedDigest(path: string): Digest | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  return hex === undefined ? undefined : (`sha256:${hex}` as Digest);
}

class ArchiveReader implements ReadArchive {
  readonly documents = new Map<string, Uint8Array>();
  readonly #files = new Map<string, ArchivedFile>();
  readonly #links = new Map<string, string>();
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  file(path: string): ArchivedFile | undefined {
    let at = cleanPath(path);
    for (let followed = 0; followed < MAX_LINKS; followed++) {
      const target = this.#links.get(at);
      if (target === undefined) return this.#files.get(at);
      at = target;
    }
    return undefined;
  }

  link(path: string, target: string, type: "symlink" | "hardlink"): void {
    const from = type === "symlink" ? posix.dirname(`/${path}`) : "/";
    this.#links.set(path, posix.resolve(from, target).slice(1));
  }

  async add(path: string, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (DOCUMENTS.has(path)) this.documents.set(path, await readDocument(path, body));
    else {
      const digest = namedDigest(path);
      const expected = digest === undefined ? undefined : { digest, size };
      this.#files.set(path, await this.#store.blobs.ingest(body, expected));
      this.#links.delete(path);
    }
  }
}

/**
 * Reads an archive of images (docker save's form, old and new, or a tar of an OCI layout; compressed or not) into blobs of the store. Nothing of it is
 * trusted: files of a layout are checked against their names, links lead nowhere but to files of the archive. Throws TSB_INTEGRITY.
 */
export async function readImageArchive(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ReadArchive> {
  const archive = new ArchiveReader(store);
  let members = 0;
  for await (const { entry, body } of readTar(decompress(source))) {
    signal.throwIfAborted();
    members += 1;
    if (members > MAX_MEMBERS) throw refuse(`it has more than ${MAX_MEMBERS} members`);
    const path = cleanPath(entry.path);
    const { type, target, size } = entry;
    if (type === "file") await archive.add(path, size, body);
    else if ((type === "symlink" || type === "hardlink") && target !== undefined)
      archive.link(path, target, type);
  }
  if (archive.documents.has("manifest.json") || archive.documents.has("index.json")) return archive;
  const what = members === 0 ? "it is empty" : "neither manifest.json nor index.json is in it";
  throw refuse(what, "a root filesystem's archive becomes an image with tsbuild import FILE NAME");
}
