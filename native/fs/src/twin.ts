/** Added to the mode of a pick: see `WalkedFiles`. */
export const TWIN = 0x8000_0000;
