/** Added to a pair of entries: see `NativeFs.pairWalks`. */
export const SAME_RECORD = 0x8000_0000;

/** Index of the entry in the walk before, of a pair; -1: there is none. */
export function indexBefore(pair: number): number {
  return (pair & ~SAME_RECORD) - 1;
}
