/** Where tsbuild differs on purpose; `docs/differences.md` says why. `place` is the start of a case's name. */
export const accepted: readonly { readonly category: string; readonly place: string }[] = [];
