import {
  indexBefore,
  type NativeFs,
  rewriteModes,
  SAME_RECORD,
  TreeReader,
  type WalkDigests,
} from "@tsbuild/native-fs";
import type { OpsEnvironment } from "../environment.ts";
import { type ContextIndex, readIndex, type Walked, writeIndex } from "../local/index-file.ts";
import type { SourceTree } from "../tree.ts";
import { Batches } from "./batches.ts";
import { contextChanged, explainUnreadable, pathOfError, showsChange } from "./changed.ts";
import { type Located, rootPath } from "./locate.ts";
import { skipOf } from "./skip.ts";
import { StagedFiles } from "./staged.ts";

export const HASH_BYTES = 32;
// Kernel timestamps come from the last tick of the clock: up to 10 ms behind. An entry changed that shortly before the walk, or
// during it, could change again without its ctime moving (git's "racy" problem).
const TICK_NS = 20_000_000n;

/**
 * One walked subtree with the data digests of its files. Entries are indexes into the walk's bytes: a tree of 50,000 files is a few
 * megabytes of bytes here, and would be ten times that as objects.
 */
export interface Scan {
  readonly located: Located;
  readonly reader: TreeReader;
  /**
   * Fills in the digests of these entries, read from the tree; what is known from an earlier build is not read again. `stage`: they are about
   * to be copied, so large files are while they are read.
   */
  digestData(tree: SourceTree, chosen: Uint32Array, options?: { readonly stage: boolean }): Promise<void>;
  /** What was copied by that and not been taken yet. */
  readonly staged: StagedFiles | undefined;
  /** All of them, 32 bytes per entry; only after `digestData`. */
  hashes(): Buffer;
  /** The digest remembered for this selector while nothing has changed. */
  remembered(selectorKey: string): string | undefined;
  remember(selectorKey: string, digest: string): void;
  /** What the digests of this build were made of, by selector. */
  readonly parts: Map<string, DigestedParts>;
}

/** Digests of chosen entries of a walk. */
export interface DigestedParts {
  readonly chosen: number;
  readonly parts: WalkDigests["parts"];
}

const HASH_BATCH = 2048;
const PARALLEL = 4;

/** Digests of regular files by index, filled in on all cores. */
class DataDigests {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  isMissing(index: number): boolean {
    const end = (index + 1) * HASH_BYTES;
    for (let at = index * HASH_BYTES; at < end; at++) if (this.bytes[at] !== 0) return false;
    return true;
  }

  async fill(
    from: {
      readonly fs: NativeFs;
      readonly root: number;
      readonly located: Located;
      readonly reader: TreeReader;
    },
    chosen: Uint32Array,
  ): Promise<void> {
    const missing = chosen.filter((index) => from.reader.isFile(index) && this.isMissing(index));
    const limits = { most: HASH_BATCH, threads: PARALLEL };
    const batches = new Batches(missing, (index) => from.reader.size(index), limits);
    const worker = async (): Promise<void> => {
      for (let batch = batches.take(); batch.length > 0; batch = batches.take()) {
        const paths = Array.from(batch, (index) => rootPath(from.located, from.reader.path(index)));
        const digests = await from.fs.hashFiles(from.root, paths);
        for (const [i, index] of batch.entries())
          digests.copy(this.bytes, index * HASH_BYTES, i * HASH_BYTES, (i + 1) * HASH_BYTES);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  }
}

/** Walks a subtree: of a snapshot, which cannot change, or of a context, compared with the index of the last build. */
export async function scanTree(env: OpsEnvironment, tree: SourceTree, located: Located): Promise<Scan> {
  const startedNs = BigInt(Date.now()) * 1_000_000n;
  const path = located.path === "" ? "." : located.path;
  if (tree.kind !== "context") {
    const walk = await env.fs.walk(tree.root, path, { xattrs: true });
    return new TreeScan({ env, located, walk, startedNs, walked: undefined, old: undefined });
  }
  const skip = skipOf(tree.context.ignore, located.path);
  const walk = await env.fs.walk(tree.root, path, { xattrs: true, skip }).catch((error: unknown) => {
    throw explainUnreadable(tree, error);
  });
  const { folder, normalModes = false } = tree.context;
  if (normalModes) rewriteModes(walk, normalMode);
  const walked = { folder, base: located.path, skip, normalModes };
  return new TreeScan({ env, located, walk, startedNs, walked, old: readIndex(env.store, walked) });
}

/** Of a folder, or of a file that its owner may execute or not: what a umask or another file system makes of them is no content. */
function normalMode(mode: number): number {
  const isFolder = (mode & 0o170000) === 0o040000;
  return isFolder || mode & 0o100 ? 0o755 : 0o644;
}

interface ScanParts {
  readonly env: OpsEnvironment;
  readonly located: Located;
  readonly walk: Buffer;
  readonly startedNs: bigint;
  /** Undefined for a snapshot, of which no index is kept. */
  readonly walked: Walked | undefined;
  readonly old: ContextIndex | undefined;
}

class TreeScan implements Scan {
  readonly located: Located;
  readonly #parts: ScanParts;
  /** The old index when the walk is the same and no entry is racy. */
  readonly #same: ContextIndex | undefined;
  readonly #digests: Record<string, string>;
  #reader: TreeReader | undefined;
  #data: Promise<DataDigests> | undefined;
  #filled: DataDigests | undefined;
  readonly parts = new Map<string, DigestedParts>();
  #staged: StagedFiles | undefined;

  constructor(parts: ScanParts) {
    this.located = parts.located;
    const { old, walk } = parts;
    const trusted = old !== undefined && old.newestNs + TICK_NS < old.startedNs && old.walk.equals(walk);
    this.#same = trusted ? old : undefined;
    this.#parts = parts;
    this.#digests = { ...this.#same?.digests };
  }

  get reader(): TreeReader {
    this.#reader ??= new TreeReader(this.#parts.walk);
    return this.#reader;
  }

  remembered(selectorKey: string): string | undefined {
    return this.#digests[selectorKey];
  }

  remember(selectorKey: string, digest: string): void {
    this.#digests[selectorKey] = digest;
    const { env, walked, walk, startedNs } = this.#parts;
    if (walked === undefined) return;
    writeIndex(env.store, walked, {
      walk,
      hashes: this.hashes(),
      startedNs: this.#same?.startedNs ?? startedNs,
      newestNs: this.#same?.newestNs ?? this.reader.newestCtimeNs,
      digests: this.#digests,
    });
  }

  hashes(): Buffer {
    if (this.#filled === undefined)
      throw new Error("assertion failed: digests are asked for before they are made");
    return this.#filled.bytes;
  }

  get staged(): StagedFiles | undefined {
    return this.#staged;
  }

  async digestData(
    tree: SourceTree,
    chosen: Uint32Array,
    { stage }: { readonly stage: boolean } = { stage: false },
  ): Promise<void> {
    const { located, reader } = this;
    const { fs } = this.#parts.env;
    if (stage && tree.kind === "context") await this.#stage(tree, chosen);
    try {
      const known = await this.#known();
      this.#filled = known;
      await known.fill({ fs, root: tree.root, located, reader }, chosen);
    } catch (error) {
      if (!showsChange(tree, error)) throw explainUnreadable(tree, error);
      throw contextChanged(tree, { path: pathOfError(error), meanwhile: "read", cause: error });
    }
  }

  async #stage(tree: SourceTree, chosen: Uint32Array): Promise<void> {
    const { located, reader } = this;
    const known = await this.#known();
    this.#staged ??= new StagedFiles(this.#parts.env, { tree, reader });
    for (const index of chosen) {
      if (!this.#staged.wants(index) || !known.isMissing(index)) continue;
      const digest = await this.#staged.add(index, rootPath(located, reader.path(index)));
      digest?.copy(known.bytes, index * HASH_BYTES);
    }
  }

  /** Digests by index: all of the old index when nothing changed, else those of entries that did not change. */
  #known(): Promise<DataDigests> {
    this.#data ??= this.#carriedOver().then((hashes) => new DataDigests(hashes));
    return this.#data;
  }

  async #carriedOver(): Promise<Buffer> {
    const { env, old } = this.#parts;
    return this.#same === undefined ? carryOver(env.fs, this.reader, old) : Buffer.from(this.#same.hashes);
  }
}

/** Takes over the digests of files whose inode, size, mode, mtime and ctime are as they were and which are not racy. */
async function carryOver(fs: NativeFs, reader: TreeReader, old: ContextIndex | undefined): Promise<Buffer> {
  const hashes = Buffer.alloc(reader.count * HASH_BYTES);
  if (old === undefined) return hashes;
  const before = new TreeReader(old.walk);
  const pairs = await fs.pairWalks(old.walk, reader.bytes);
  // Mostly nothing is racy: then no time need be looked at.
  const calm = reader.newestCtimeNs + TICK_NS < old.startedNs;
  const isKnown = (index: number, pair: number): boolean =>
    pair !== 0 &&
    ((pair & SAME_RECORD) !== 0 ||
      (reader.isFile(index) && sameFile(reader, index, before, indexBefore(pair)))) &&
    (calm || reader.ctimeNs(index) + TICK_NS < old.startedNs);
  // Mostly what follows an entry in one walk follows it in the other: one copy for many. Of what is no file there are zeros.
  for (let index = 0; index < pairs.length; ) {
    const start = index;
    const oldStart = indexBefore(pairs[start] ?? 0);
    const follows = (pair: number) => indexBefore(pair) === oldStart + index - start;
    while (index < pairs.length && follows(pairs[index]!) && isKnown(index, pairs[index]!)) index++;
    const end = oldStart + index - start;
    if (index > start) old.hashes.copy(hashes, start * HASH_BYTES, oldStart * HASH_BYTES, end * HASH_BYTES);
    else index++;
  }
  return hashes;
}

function sameFile(a: TreeReader, i: number, b: TreeReader, j: number): boolean {
  return (
    a.ino(i) === b.ino(j) &&
    a.dev(i) === b.dev(j) &&
    a.size(i) === b.size(j) &&
    a.mode(i) === b.mode(j) &&
    a.mtimeNs(i) === b.mtimeNs(j) &&
    a.ctimeNs(i) === b.ctimeNs(j)
  );
}
