import { decodeTree, type TreeEntry } from "@tsbuild/native-fs";
import type { OpsEnvironment } from "../environment.ts";
import { type ContextIndex, readIndex, writeIndex } from "../local/index-file.ts";
import type { SourceTree } from "../tree.ts";
import { isRegular } from "./digest.ts";
import type { Located } from "./locate.ts";

const HASH_BYTES = 32;
const NO_HASH = Buffer.alloc(HASH_BYTES);
// Kernel timestamps come from the last tick of the clock: up to 10 ms behind. An entry changed that shortly before the walk, or
// during it, could change again without its ctime moving (git's "racy" problem).
const TICK_NS = 20_000_000n;

/** One walked subtree with the data digests of its files. */
export interface Scan {
  readonly located: Located;
  readonly entries: readonly TreeEntry[];
  /** Fills in the digests of these entries; what is known from an earlier build is not read again. */
  digestData(wanted: readonly TreeEntry[]): Promise<void>;
  /** Data digest of a regular file; only after `digestData`. */
  dataOf(entry: TreeEntry): Uint8Array;
}

/** A scan that may know the answer without looking at a single entry. */
export interface IndexedScan extends Scan {
  /** The digest remembered for this selector while nothing has changed. */
  remembered(selectorKey: string): string | undefined;
  remember(selectorKey: string, digest: string): void;
}

/** Walks a subtree of a snapshot: immutable, so nothing is remembered beside the digest of the whole. */
export async function scanSnapshot(env: OpsEnvironment, tree: SourceTree, located: Located): Promise<Scan> {
  const walk = await env.fs.walk(tree.root, walkPath(located), { xattrs: true });
  const entries = [...decodeTree(walk)];
  const hashes = new Map<string, Uint8Array>();
  return {
    located,
    entries,
    dataOf: (entry) => hashes.get(entry.path) ?? NO_HASH,
    digestData: async (wanted) => {
      const files = wanted.filter((entry) => isRegular(entry) && !hashes.has(entry.path));
      const digests = await hashEntries(env, tree, located, files);
      for (const [i, file] of files.entries()) hashes.set(file.path, slot(digests, i));
    },
  };
}

function walkPath(located: Located): string {
  return located.path === "" ? "." : located.path;
}

function slot(hashes: Buffer, index: number): Buffer {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** Path of an entry from the root of the tree. */
export function rootPath(located: Located, entry: TreeEntry): string {
  if (entry.path === "") return located.path;
  return located.path === "" ? entry.path : `${located.path}/${entry.path}`;
}

const HASH_BATCH = 4096;

/** Data digests of files, on all cores. */
async function hashEntries(
  env: OpsEnvironment,
  tree: SourceTree,
  located: Located,
  files: readonly TreeEntry[],
): Promise<Buffer> {
  const batches: Promise<Buffer>[] = [];
  for (let start = 0; start < files.length; start += HASH_BATCH) {
    const paths = files.slice(start, start + HASH_BATCH).map((file) => rootPath(located, file));
    batches.push(env.fs.hashFiles(tree.root, paths));
  }
  return Buffer.concat(await Promise.all(batches));
}

/** Walks a subtree of a context and compares it with the index of the last build. */
export async function scanContext(
  env: OpsEnvironment,
  tree: SourceTree & { readonly kind: "context" },
  located: Located,
): Promise<IndexedScan> {
  const startedNs = BigInt(Date.now()) * 1_000_000n;
  const walk = await env.fs.walk(tree.root, walkPath(located), { xattrs: true });
  const old = readIndex(env.store, tree.context.folder, located.path);
  return new ContextScan({ env, tree, located, walk, startedNs, old });
}

interface ContextScanParts {
  readonly env: OpsEnvironment;
  readonly tree: SourceTree & { readonly kind: "context" };
  readonly located: Located;
  readonly walk: Buffer;
  readonly startedNs: bigint;
  readonly old: ContextIndex | undefined;
}

class ContextScan implements IndexedScan {
  readonly located: Located;
  readonly #parts: ContextScanParts;
  /** The old index when the walk is the same and no entry is racy. */
  readonly #same: ContextIndex | undefined;
  #entries: readonly TreeEntry[] | undefined;
  #hashes: Buffer | undefined;
  #position: ReadonlyMap<string, number> | undefined;
  #digests: Record<string, string>;

  constructor(parts: ContextScanParts) {
    this.located = parts.located;
    this.#parts = parts;
    const { old, walk } = parts;
    const trusted = old !== undefined && old.newestNs + TICK_NS < old.startedNs && old.walk.equals(walk);
    this.#same = trusted ? old : undefined;
    this.#digests = { ...this.#same?.digests };
  }

  get entries(): readonly TreeEntry[] {
    this.#entries ??= [...decodeTree(this.#parts.walk)];
    return this.#entries;
  }

  remembered(selectorKey: string): string | undefined {
    return this.#digests[selectorKey];
  }

  remember(selectorKey: string, digest: string): void {
    this.#digests[selectorKey] = digest;
    let newestNs = this.#same?.newestNs;
    if (newestNs === undefined) {
      newestNs = 0n;
      for (const entry of this.entries) if (entry.ctimeNs > newestNs) newestNs = entry.ctimeNs;
    }
    writeIndex(this.#parts.env.store, this.#parts.tree.context.folder, this.located.path, {
      walk: this.#parts.walk,
      hashes: this.#known(),
      startedNs: this.#same?.startedNs ?? this.#parts.startedNs,
      newestNs,
      digests: this.#digests,
    });
  }

  dataOf(entry: TreeEntry): Uint8Array {
    return slot(this.#known(), this.#at(entry));
  }

  async digestData(wanted: readonly TreeEntry[]): Promise<void> {
    const known = this.#known();
    const files = wanted.filter((entry) => isRegular(entry) && slot(known, this.#at(entry)).equals(NO_HASH));
    const digests = await hashEntries(this.#parts.env, this.#parts.tree, this.located, files);
    for (const [i, file] of files.entries())
      digests.copy(known, this.#at(file) * HASH_BYTES, i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }

  #at(entry: TreeEntry): number {
    this.#position ??= new Map(this.entries.map((e, i) => [e.path, i]));
    const position = this.#position.get(entry.path);
    if (position === undefined) throw new Error(`assertion failed: ${entry.path} is not part of the scan`);
    return position;
  }

  /** Digests by position: all of the old index when nothing changed, else those of entries that did not change. */
  #known(): Buffer {
    this.#hashes ??=
      this.#same !== undefined ? Buffer.from(this.#same.hashes) : carryOver(this.entries, this.#parts.old);
    return this.#hashes;
  }
}

/** Takes over the digests of files whose inode, size, mode, mtime and ctime are as they were and which are not racy. */
function carryOver(entries: readonly TreeEntry[], old: ContextIndex | undefined): Buffer {
  const hashes = Buffer.alloc(entries.length * HASH_BYTES);
  if (old === undefined) return hashes;
  const before = new Map<string, { readonly entry: TreeEntry; readonly position: number }>();
  let position = 0;
  for (const entry of decodeTree(old.walk)) before.set(entry.path, { entry, position: position++ });
  for (const [i, entry] of entries.entries()) {
    const match = before.get(entry.path);
    if (match === undefined || !sameFile(entry, match.entry)) continue;
    if (entry.ctimeNs + TICK_NS >= old.startedNs) continue;
    old.hashes.copy(hashes, i * HASH_BYTES, match.position * HASH_BYTES, (match.position + 1) * HASH_BYTES);
  }
  return hashes;
}

function sameFile(a: TreeEntry, b: TreeEntry): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mode === b.mode &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}
