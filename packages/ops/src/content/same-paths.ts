import type { TreeReader } from "@tsbuild/native-fs";

/** Indexes of the entries that two walks have at the same path: both are in the same order, so one pass over both finds the pairs. */
export function* samePaths(before: TreeReader, after: TreeReader): Generator<readonly [number, number]> {
  let old = 0;
  for (let index = 0; index < after.count && old < before.count; index++) {
    const path = after.path(index);
    while (old < before.count && walkOrder(before.path(old), path) < 0) old++;
    if (old < before.count && before.path(old) === path) yield [old, index];
  }
}

/**
 * Order in which a walk gives paths: component by component, so `/` sorts before everything. Compared by UTF-16 units where the walk
 * compares bytes: where these differ a pair may be missed, and the file is read again.
 */
function walkOrder(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return (left === SLASH ? 0 : left) - (right === SLASH ? 0 : right);
  }
  return a.length - b.length;
}

const SLASH = 0x2f;
