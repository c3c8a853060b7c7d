import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestHex, errnoCode, sha256Fields } from "@tsbuild/base";
import { guarded, type Store } from "@tsbuild/store";

/**
 * What is remembered of a walk of a context: the walk's bytes, a digest per entry, and the digests made of them. Two
 * walks with the same bytes mean that no inode, size, mode, owner, mtime or ctime has changed, so nothing needs to be read.
 */
export interface ContextIndex {
  /** Bytes of the walk, as the addon packs them. */
  readonly walk: Buffer;
  /** 32 bytes per entry, in the order of the walk; all zero where no digest is known. */
  readonly hashes: Buffer;
  /** When the walk began, in nanoseconds since the epoch. Entries changed since may have changed unseen (racy). */
  readonly startedNs: bigint;
  /** Largest ctime of the walk. */
  readonly newestNs: bigint;
  /** Content digests by selector key, valid for exactly this walk. */
  readonly digests: Readonly<Record<string, string>>;
}

const MAGIC = "tsbuild-context-index-1\n";

interface Header {
  readonly walkBytes: number;
  readonly hashBytes: number;
  readonly startedNs: string;
  readonly newestNs: string;
  readonly digests: Readonly<Record<string, string>>;
}

/** What was walked: indexes of other folders, or of the same one with other parts left out, say nothing about it. */
export interface Walked {
  /** The context. */
  readonly folder: string;
  /** Path of the walked folder or file in it. */
  readonly base: string;
  readonly skip: { readonly paths: readonly string[]; readonly names: readonly string[] };
  readonly normalModes: boolean;
}

function indexPath(store: Store, { folder, base, skip, normalModes }: Walked): string {
  const left = JSON.stringify([skip.paths, skip.names, ...(normalModes ? ["normal modes"] : [])]);
  return join(store.root, "contexts", digestHex(sha256Fields([folder, base, left])));
}

/** Reads an index; undefined when there is none or it was cut short. */
export function readIndex(store: Store, walked: Walked): ContextIndex | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(indexPath(store, walked));
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const headerEnd = bytes.indexOf("\n", MAGIC.length);
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC || headerEnd < 0) return undefined;
  const header = JSON.parse(bytes.toString("utf8", MAGIC.length, headerEnd)) as Header;
  const walkStart = headerEnd + 1;
  const hashStart = walkStart + header.walkBytes;
  if (bytes.length !== hashStart + header.hashBytes) return undefined;
  return {
    walk: bytes.subarray(walkStart, hashStart),
    hashes: bytes.subarray(hashStart),
    startedNs: BigInt(header.startedNs),
    newestNs: BigInt(header.newestNs),
    digests: header.digests,
  };
}

/** Writes a new file of several megabytes without putting them together first. */
export function writeParts(path: string, parts: readonly Uint8Array[]): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    for (const part of parts) writeFileSync(fd, part);
  } finally {
    closeSync(fd);
  }
}

/** Replaces an index; readers see the old or the new one, never a part. Throws TSB_DISK_FULL or TSB_STORE. */
export function writeIndex(store: Store, walked: Walked, index: ContextIndex): void {
  const header: Header = {
    walkBytes: index.walk.length,
    hashBytes: index.hashes.length,
    startedNs: String(index.startedNs),
    newestNs: String(index.newestNs),
    digests: index.digests,
  };
  const temporary = join(store.temporaryFolder(), "index");
  guarded("keep what was hashed of a context", store.root, () => {
    mkdirSync(join(store.root, "contexts"), { recursive: true, mode: 0o700 });
    writeParts(temporary, [Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`), index.walk, index.hashes]);
    renameSync(temporary, indexPath(store, walked));
  });
}
