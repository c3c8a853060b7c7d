/** Number of single edits (insert, remove, replace, swap two neighbours) between two short texts. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(Math.min(replace, row[j]! + 1, next[j - 1]! + 1, isSwap ? before[j - 2]! + 1 : Infinity));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** Nobody mistypes more; the table is word × name, and both may come from a hostile file. */
const MAX_WORD = 64;
/** Names that are looked at: a file may have any number of stages and misspell each. */
const MAX_NAMES = 1000;

/** The name of `known` that `word` is a near miss of: at most one edit in three characters, two at most. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const limit = Math.min(2, Math.max(1, Math.floor(word.length / 3)));
  let best: string | undefined;
  let bestDistance = limit + 1;
  let count = 0;
  for (const name of known) {
    if (++count > MAX_NAMES) break;
    if (Math.abs(word.length - name.length) > limit) continue;
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** `did you mean X?` for a near miss, else the list of what is possible. */
export function suggestion(word: string, known: readonly string[]): string {
  const name = nearest(word, known);
  return name === undefined ? `known: ${known.join(", ")}` : `did you mean ${name}?`;
}
