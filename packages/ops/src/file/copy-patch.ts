import type { TreeReader } from "@tsbuild/native-fs";
import type { Selected } from "../content/content-key.ts";
import { bytesOf } from "../content/large.ts";
import type { Compared } from "./compare-copied.ts";
import type { CopiedTree } from "./copied-tree.ts";
import { SharedNames } from "./shared-names.ts";

/** What is left of a copy when an earlier one of the same step is below it. */
export interface CopyPatch {
  /** Entries that are new or not what they were, and the folders that these are in. */
  readonly chosen: Uint32Array;
  /** Paths that are not copied any more, without what is below them. */
  readonly gone: readonly string[];
}

/** A patch has all that changed since the whole copy, each time anew: with more than this a whole one is made, for the next to be small again. */
const MAX_CHANGES = 1024;
const MAX_SHARE = 8;
const MAX_BYTES = 8 * 1024 * 1024;

/** Undefined when a whole copy is better, and with names of one file, of which some may have changed. */
export function copyPatch(tree: CopiedTree, selected: Selected, compared: Compared): CopyPatch | undefined {
  const { reader, chosen } = selected;
  const { before, same } = compared;
  if (new SharedNames(selected).any || new SharedNames({ reader: before, chosen: tree.chosen }).any)
    return undefined;
  const most = Math.min(MAX_CHANGES, Math.floor(chosen.length / MAX_SHARE));
  const changed = chosen.filter((index) => same[index] !== 1);
  const gone = goneFrom(tree, reader, compared);
  if (changed.length + gone.length > most || bytesOf(reader, changed) > MAX_BYTES) return undefined;
  const touched = [...changed, ...gone.map(({ folder }) => folder)];
  return { chosen: withFolders(reader, touched), gone: gone.map(({ path }) => path) };
}

interface Gone {
  readonly path: string;
  /** Index of the folder that it was in. */
  readonly folder: number;
}

/** What was in a folder that still is one: anything else goes with its folder. */
function goneFrom(tree: CopiedTree, reader: TreeReader, { before, pairs }: Compared): Gone[] {
  const gone: Gone[] = [];
  for (const old of tree.chosen) {
    if ((pairs[old] ?? -1) >= 0 || old === 0) continue;
    const folder = pairs[before.parent(old)] ?? -1;
    if (folder >= 0 && reader.isFolder(folder)) gone.push({ path: before.path(old), folder });
  }
  return gone;
}

/** With the source itself: the time of what it is copied into is its. */
function withFolders(reader: TreeReader, touched: readonly number[]): Uint32Array {
  const all = new Set([0]);
  for (const index of touched) {
    for (let at = index; at > 0 && !all.has(at); at = reader.parent(at)) all.add(at);
  }
  return Uint32Array.from(all).sort();
}
