/** Added to a pair of entries: see `NativeFs.pairWalks`. */
export const SAME_RECORD = 0x8000_0000;
