import { indexBefore, type NativeFs, SAME_RECORD, TreeReader } from "@tsbuild/native-fs";
import type { Selected } from "../content/content-key.ts";
import { isContentXattr } from "../content/digest.ts";
import { HASH_BYTES } from "../content/scan.ts";
import type { CopiedTree } from "./copied-tree.ts";
import { SharedNames } from "./shared-names.ts";

/** What a step is about to copy, and what it copied before. Owners and what else the step sets are the same, as the step is. */
export interface Compared {
  readonly before: TreeReader;
  /** The entry of the source at the same path, by index of what was copied; -1: none is copied any more. */
  readonly pairs: Int32Array;
  /** One byte per entry of the source, 1 for those that were copied just as they would be now: same path, type, content, mode and time. */
  readonly same: Uint8Array;
}

interface ToCompare {
  readonly tree: CopiedTree;
  readonly selected: Selected;
  /** All that is copied gets one time, whatever it has. */
  readonly sameTimes: boolean;
}

export async function compareCopied(
  fs: NativeFs,
  { tree, selected, sameTimes }: ToCompare,
): Promise<Compared> {
  const { reader, chosen } = selected;
  const before = new TreeReader(tree.walk);
  const pairs = new Int32Array(before.count).fill(-1);
  const same = new Uint8Array(reader.count);
  const was = marked(before.count, tree.chosen);
  const is = marked(reader.count, chosen);
  const compared = { before, tree, reader, hashes: selected.hashes, sameTimes };
  for (const [index, pair] of (await fs.pairWalks(tree.walk, reader.bytes)).entries()) {
    const old = indexBefore(pair);
    if (pair === 0 || was[old] !== 1 || is[index] !== 1) continue;
    pairs[old] = index;
    if (isSame(compared, { old, index, isRecord: (pair & SAME_RECORD) !== 0 })) same[index] = 1;
  }
  return { before, pairs, same };
}

function marked(count: number, chosen: Uint32Array): Uint8Array {
  const marks = new Uint8Array(count);
  for (const index of chosen) marks[index] = 1;
  return marks;
}

interface Both {
  readonly before: TreeReader;
  readonly tree: CopiedTree;
  readonly reader: TreeReader;
  readonly hashes: Buffer | undefined;
  readonly sameTimes: boolean;
}

interface Pair {
  readonly old: number;
  readonly index: number;
  /** The walks tell the same of both, their inode included. */
  readonly isRecord: boolean;
}

function isSame(both: Both, { old, index, isRecord }: Pair): boolean {
  if (both.reader.isFile(index) && !hasSameContent(both, old, index)) return false;
  return isRecord || looksSame(both, old, index);
}

function hasSameContent({ tree, hashes }: Both, old: number, index: number): boolean {
  if (hashes === undefined) return false;
  const [from, at] = [old * HASH_BYTES, index * HASH_BYTES];
  return hashes.compare(tree.hashes, from, from + HASH_BYTES, at, at + HASH_BYTES) === 0;
}

/** Of another inode, as after a checkout, or touched. */
function looksSame({ before, reader, sameTimes }: Both, old: number, index: number): boolean {
  return (
    before.mode(old) === reader.mode(index) &&
    (sameTimes || before.mtimeNs(old) === reader.mtimeNs(index)) &&
    before.target(old) === reader.target(index) &&
    before.rdevMajor(old) === reader.rdevMajor(index) &&
    before.rdevMinor(old) === reader.rdevMinor(index) &&
    !hasAttributes(before, old) &&
    !hasAttributes(reader, index)
  );
}

function hasAttributes(reader: TreeReader, index: number): boolean {
  return reader.hasXattrs(index) && reader.xattrs(index).some(({ name }) => isContentXattr(name));
}

/**
 * Which files of a source need no copy, as there is one in a copied tree: with one name only and no attributes. One byte per entry of the
 * source, 1 for those.
 */
export function twinsIn(
  tree: CopiedTree,
  { reader }: Selected,
  { before, pairs, same }: Compared,
): Uint8Array {
  const twins = new Uint8Array(reader.count);
  const names = new SharedNames({ reader: before, chosen: tree.chosen });
  for (const old of tree.chosen) {
    const index = pairs[old] ?? -1;
    if (index < 0 || same[index] !== 1 || !reader.isFile(index)) continue;
    if (!names.isShared(old) && !hasAttributes(before, old)) twins[index] = 1;
  }
  return twins;
}
