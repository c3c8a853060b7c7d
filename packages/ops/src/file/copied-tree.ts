import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoCode, type SnapshotId } from "@tsbuild/base";
import { guarded } from "@tsbuild/store";
import type { Selected } from "../content/content-key.ts";
import { bytesOf } from "../content/large.ts";
import type { OpsEnvironment } from "../environment.ts";
import { writeParts } from "../local/index-file.ts";

/** What a COPY put into a layer: a file beside the layer's folder, gone with it. */
export interface CopiedTree {
  /** Bytes of the walk of the source. */
  readonly walk: Buffer;
  /** sha256 of each entry's file, 32 bytes each. */
  readonly hashes: Buffer;
  /** Which entries were copied. */
  readonly chosen: Uint32Array;
  /** Where they are in the layer. */
  readonly dest: string;
}

const KIND = "copied-tree";
const FILE = "copied";
const MAGIC = "tsbuild-copied-tree-1\n";

/** Below, all is copied in the time that it takes to find out what changed. */
const MIN_ENTRIES = 64;
/** Below both, copying is quick enough, and files keep their one name. */
const MIN_LINKED_FILES = 1000;
const MIN_LINKED_BYTES = 32 * 1024 * 1024;

/** Whether it is worth writing down what is copied of this source, for the next time. */
export function isWorthKeeping(selected: Selected): boolean {
  return selected.chosen.length >= MIN_ENTRIES || isWorthLinking(selected);
}

/** Whether it is worth linking files of this source where it is no patch. */
export function isWorthLinking({ reader, chosen }: Selected): boolean {
  return chosen.length >= MIN_LINKED_FILES || bytesOf(reader, chosen) >= MIN_LINKED_BYTES;
}

/** Writes down what is in a layer that is still being written. Throws TSB_DISK_FULL or TSB_STORE. */
export function writeCopied({ store }: OpsEnvironment, layerFolder: string, tree: CopiedTree): void {
  const { walk, hashes, chosen, dest } = tree;
  const header = { walk: walk.length, hashes: hashes.length, chosen: chosen.byteLength, dest };
  const picked = Buffer.from(chosen.buffer, chosen.byteOffset, chosen.byteLength);
  const head = Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`);
  guarded("keep what was copied", store.root, () => {
    writeParts(fileOf(layerFolder), [head, walk, hashes, picked]);
  });
}

function fileOf(layerFolder: string): string {
  return join(dirname(layerFolder), FILE);
}

function readCopied(layerFolder: string): CopiedTree | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(fileOf(layerFolder));
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const end = bytes.indexOf("\n", MAGIC.length);
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC || end < 0) return undefined;
  const header = JSON.parse(bytes.toString("utf8", MAGIC.length, end)) as Record<
    "walk" | "hashes" | "chosen",
    number
  > &
    Pick<CopiedTree, "dest">;
  const hashesAt = end + 1 + header.walk;
  const chosenAt = hashesAt + header.hashes;
  if (bytes.length !== chosenAt + header.chosen) return undefined;
  // Copied, as numbers begin at multiples of their size.
  const chosen = new Uint32Array(Uint8Array.from(bytes.subarray(chosenAt)).buffer);
  const { dest } = header;
  return {
    walk: bytes.subarray(end + 1, hashesAt),
    hashes: bytes.subarray(hashesAt, chosenAt),
    chosen,
    dest,
  };
}

/** A layer that a step made, and what it copied into it. */
export interface LastCopied {
  readonly snapshot: SnapshotId;
  readonly folder: string;
  readonly tree: CopiedTree;
}

/** The layer that the last run of a step made, as long as it is there. `key` names the step, what it copies onto included. */
export function lastCopied({ store }: OpsEnvironment, key: string): LastCopied | undefined {
  const known = store.memo.get(KIND, key);
  if (known === undefined) return undefined;
  const snapshot = Buffer.from(known).toString("latin1") as SnapshotId;
  if (!store.snapshots.exists(snapshot)) return undefined;
  const [folder] = store.snapshots.lowers(snapshot);
  const tree = folder === undefined ? undefined : readCopied(folder);
  return folder === undefined || tree === undefined ? undefined : { snapshot, folder, tree };
}

/** From now on `snapshot` is what the step copied last; what was written down of the one before is of no use any more. */
export function rememberCopied(
  { store }: OpsEnvironment,
  key: string,
  made: { readonly snapshot: SnapshotId; readonly before: LastCopied | undefined },
): void {
  store.memo.set(KIND, key, Buffer.from(made.snapshot, "latin1"));
  if (made.before !== undefined) rmSync(fileOf(made.before.folder), { force: true });
}
