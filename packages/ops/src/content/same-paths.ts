import type { TreeReader } from "@tsbuild/native-fs";

/**
 * Indexes of the entries that two walks have at the same path: both are in the same order, so one pass over both finds the pairs. Mostly the
 * next of one is the next of the other, which needs no text of a path.
 */
export function* samePaths(before: TreeReader, after: TreeReader): Generator<readonly [number, number]> {
  /** Of each folder that both have: its index in `after` by that in `before`, plus one. */
  const folders = new Uint32Array(before.count);
  let old = 0;
  let index = 0;
  while (old < before.count && index < after.count) {
    const parent = before.parent(old);
    const together =
      parent < 0
        ? index === 0
        : (folders[parent] ?? 0) === after.parent(index) + 1 && after.parent(index) >= 0;
    if (together && before.sameName(old, after, index)) {
      if (before.isFolder(old) && after.isFolder(index)) folders[old] = index + 1;
      yield [old++, index++];
    } else if (walkOrder(before.path(old), after.path(index)) < 0) old++;
    else index++;
  }
}

/**
 * Order in which a walk gives paths: component by component, so `/` sorts before everything. Compared by UTF-16 units where the walk
 * compares bytes: where these differ a pair may be missed, and the file is read again.
 */
function walkOrder(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return (left === SLASH ? 0 : left) - (right === SLASH ? 0 : right);
  }
  return a.length - b.length;
}

const SLASH = 0x2f;
