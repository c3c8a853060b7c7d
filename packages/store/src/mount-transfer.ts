import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { decompress, packTree, unpackArchive } from "@tsbuild/oci";
import type { Store } from "./api.ts";
import { removeCacheMount } from "./cache-mounts.ts";
import { guarded } from "./failure.ts";
import { mountNames, mountTitle } from "./mount-names.ts";
import { type StoreState, stateOf } from "./state.ts";
import { mountUsage } from "./usage/folders.ts";

export interface MountInfo {
  /** Row: several folders of one id are those of private users that met a busy one. */
  readonly number: number;
  /** As the steps name it: `id=`, or the target's path; with a namespace before it, where one is set. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly inUse: boolean;
}

/** Cache mounts as tar streams (W005): owners, modes, times, links and attributes of all but the topmost folder. */
export interface CacheMountTransfer {
  list(): Promise<readonly MountInfo[]>;
  /**
   * The oldest folder of an id, as an uncompressed tar. Steps that want it wait meanwhile; when one has it already, `inUse` tells that what
   * is packed may be of several moments, and reading rejects when a file changes under it. Throws TSB_USAGE when there is none.
   */
  export(
    id: string,
    signal: AbortSignal,
  ): { readonly inUse: boolean; readonly tar: AsyncIterable<Uint8Array> };
  /** Replaces what an id has by the content of a tar, compressed or not: wholly, or not at all. Users of the old keep it until they end. */
  import(id: string, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Number of folders removed, and of those that a step uses. */
  remove(id: string): { readonly removed: number; readonly busy: number };
}

export function mountTransfer(store: Store): CacheMountTransfer {
  const state = stateOf(store);
  return {
    list: () => list(state),
    export: (id, signal) => exportMount(state, id, signal),
    import: (id, source, signal) =>
      importMount(state, { id, source, signal, folder: store.temporaryFolder() }),
    remove: (id) => {
      const { rows } = find(state, id);
      if (rows.length === 0) throw unknownMount(state, id);
      const removed = rows.filter((row) => removeCacheMount(state, row)).length;
      state.trash.start();
      return { removed, busy: rows.length - removed };
    },
  };
}

async function list(state: StoreState): Promise<readonly MountInfo[]> {
  return (await mountUsage(state)).map((record) => ({
    number: Number(record.id.slice("mount:".length)),
    id: record.description,
    sizeBytes: record.sizeBytes,
    createdAt: record.createdAt,
    lastUsedAt: record.lastUsedAt,
    inUse: record.inUse,
  }));
}

/** The name that an ID stands for here, and its folders. */
function find({ database }: StoreState, id: string): { readonly name: string; readonly rows: number[] } {
  const names = mountNames(id);
  const found = names.map((name) => ({
    name,
    rows: database
      .all<{ id: number }>("SELECT id FROM cache_mounts WHERE name=? AND NOT retired ORDER BY id", name)
      .map((row) => row.id),
  }));
  return found.find(({ rows }) => rows.length > 0) ?? { name: names[0], rows: [] };
}

function unknownMount({ database }: StoreState, id: string): TsbuildError {
  const known = database.all<{ name: string }>("SELECT DISTINCT name FROM cache_mounts WHERE NOT retired");
  const names = known.map(({ name }) => mountTitle(name));
  return new TsbuildError("TSB_USAGE", `no cache mount has the id ${JSON.stringify(id)}`, {
    hint: names.length === 0 ? "no step has made one yet" : `there are ${names.slice(0, 10).join(", ")}`,
  });
}

function exportMount(
  state: StoreState,
  id: string,
  signal: AbortSignal,
): { readonly inUse: boolean; readonly tar: AsyncIterable<Uint8Array> } {
  const [row] = find(state, id).rows;
  if (row === undefined) throw unknownMount(state, id);
  const { layout, native } = state;
  const lock = native.tryLock(join(layout.cacheMounts, `${row}.lock`), "exclusive");
  const root = guarded("open a cache mount", layout.root, () =>
    native.openFolder(join(layout.cacheMounts, String(row), "fs")),
  );
  async function* tar(): AsyncGenerator<Uint8Array> {
    try {
      yield* packTree(root, { fs: nativeFs, signal });
    } finally {
      native.close(root);
      if (lock !== undefined) native.close(lock);
    }
  }
  return { inUse: lock === undefined, tar: tar() };
}

/** Unpacked aside, then put into place in one transaction with the row that names it. */
async function importMount(
  state: StoreState,
  given: {
    readonly id: string;
    readonly source: AsyncIterable<Uint8Array>;
    readonly signal: AbortSignal;
    readonly folder: string;
  },
): Promise<void> {
  const { layout, native, database, trash } = state;
  const fresh = join(given.folder, "fs");
  mkdirSync(fresh, { mode: 0o755 });
  const root = native.openFolder(fresh);
  try {
    await unpackArchive(decompress(given.source), root, { fs: nativeFs, signal: given.signal });
  } finally {
    native.close(root);
  }
  const { name, rows: old } = find(state, given.id);
  database.transaction(() => {
    const now = Date.now();
    database.run("UPDATE cache_mounts SET retired=1 WHERE name=?", name);
    const { lastId } = database.run(
      "INSERT INTO cache_mounts(name, seeded, retired, created_at, last_used_at) VALUES(?, 1, 0, ?, ?)",
      name,
      now,
      now,
    );
    const target = join(layout.cacheMounts, String(lastId));
    // A crash before the commit leaves a folder without a row, whose number then comes again.
    trash.discard(target);
    guarded("make a cache mount", layout.root, () => {
      mkdirSync(target);
      renameSync(fresh, join(target, "fs"));
    });
  });
  for (const row of old) removeCacheMount(state, row);
  trash.start();
}
