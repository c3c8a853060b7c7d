/** Nobody mistypes more; a word may come from a hostile file. */
const MAX_WORD = 64;
/** Names that are looked at: a file may have any number of stages and misspell each. */
const MAX_NAMES = 1000;

/** The cells of one row of the table of distances that can still matter: those near the diagonal. */
interface Row {
  readonly from: number;
  readonly cells: readonly number[];
}

function cell({ from, cells }: Row, at: number): number {
  return cells[at - from] ?? Infinity;
}

/**
 * Number of single edits (insert, remove, replace, swap two neighbours) between two words; Infinity above `limit`.
 * Only a band of `limit` cells on both sides of the diagonal is worked out.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Infinity;
  let before: Row = { from: 0, cells: [] };
  let row: Row = { from: 0, cells: Array.from({ length: Math.min(limit, b.length) + 1 }, (_, j) => j) };
  for (let i = 1; i <= a.length; i++) {
    const from = Math.max(0, i - limit);
    const to = Math.min(b.length, i + limit);
    const cells: number[] = [];
    for (let j = from; j <= to; j++) {
      const left = cells[j - 1 - from] ?? Infinity;
      let cost = Math.min(cell(row, j) + 1, left + 1);
      if (j > 0) cost = Math.min(cost, cell(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, cell(before, j - 2) + 1);
      cells.push(cost);
    }
    if (Math.min(...cells) > limit) return Infinity;
    before = row;
    row = { from, cells };
  }
  const distance = cell(row, b.length);
  return distance > limit ? Infinity : distance;
}

/**
 * The name of `known` that `word` is a near miss of, in any case of letters: at most one edit in three characters, two
 * at most. Of several the nearest, the first of equals.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const wanted = word.toLowerCase();
  let limit = Math.min(2, Math.max(1, Math.floor(word.length / 3)));
  let best: string | undefined;
  let count = 0;
  for (const name of known) {
    if (++count > MAX_NAMES || limit < 0) break;
    if (Math.abs(word.length - name.length) > limit) continue;
    const distance = editDistance(wanted, name.toLowerCase(), limit);
    if (distance > limit) continue;
    best = name;
    limit = distance - 1;
  }
  return best;
}

/** `did you mean X?` for a near miss, else the list of what is possible. */
export function suggestion(word: string, known: readonly string[]): string {
  const name = nearest(word, known);
  return name === undefined ? `known: ${known.join(", ")}` : `did you mean ${name}?`;
}
