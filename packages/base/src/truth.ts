/** `1`, `t`, `true` and their opposites, in any case, as options of Docker's tools have them; undefined: neither. */
export function parseTruth(text: string): boolean | undefined {
  if (/^(1|t|true)$/i.test(text)) return true;
  return /^(0|f|false)$/i.test(text) ? false : undefined;
}
