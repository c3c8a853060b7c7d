import { textError } from "./error.ts";
import { refuseLong } from "./expanded-length.ts";

// Patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*` any text, `?` any character, neither a line feed; backslash
// escapes (FEATURES D035). Matched by tables, not by backtracking: the work is pattern × value at most.

type Item =
  | { readonly type: "literal"; readonly text: string }
  | { readonly type: "one" }
  | { readonly type: "any" };

const ONE: Item = { type: "one" };
const ANY: Item = { type: "any" };

/** Cells of the table; above, the pattern is refused. */
const MAX_WORK = 50_000_000;

/** Cells of the table that take as long as a byte of text does elsewhere. */
const CELLS_PER_BYTE = 2;

/** What a match costs, in bytes of text that could be handled instead. */
export function patternWork(value: string, pattern: string): number {
  return (value.length * pattern.length) / CELLS_PER_BYTE;
}

function parsePattern(pattern: string): Item[] {
  const items: Item[] = [];
  const characters = [...pattern];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!;
    if (character === "*") {
      if (items.at(-1) !== ANY) items.push(ANY);
    } else if (character === "?") items.push(ONE);
    else if (character === "\\")
      items.push({ type: "literal", text: escapedCharacter(characters[++index], pattern) });
    else items.push({ type: "literal", text: character });
  }
  return items;
}

function escapedCharacter(character: string | undefined, pattern: string): string {
  if (character !== undefined && "*?\\}/".includes(character)) return character;
  throw textError(
    `invalid escape "\\${character ?? ""}" in the pattern ${JSON.stringify(pattern)}`,
    "only * ? \\ } and / can be escaped in a pattern",
  );
}

/**
 * For each start in `value` where the pattern matches the end of the shortest or longest match, -1 elsewhere. One
 * row per character, from the end: `row[i]` is where a match of the items from `i` ends.
 */
function matchEnds(items: readonly Item[], value: readonly string[], longest: boolean): Int32Array {
  if (items.length * value.length > MAX_WORK) throw textError("pattern and value are too long to be matched");
  const ends = new Int32Array(value.length + 1).fill(-1);
  let below = new Int32Array(items.length + 1).fill(-1);
  for (let start = value.length; start >= 0; start--) {
    const row = new Int32Array(items.length + 1);
    row[items.length] = start;
    for (let item = items.length - 1; item >= 0; item--) {
      row[item] = step(items[item]!, value[start], row[item + 1]!, below[item + 1]!, below[item]!, longest);
    }
    ends[start] = row[0]!;
    below = row;
  }
  return ends;
}

/** End of a match of an item and those after it: `skip` without a character, `take` after it, `stay` at it. */
function step(
  item: Item,
  character: string | undefined,
  skip: number,
  take: number,
  stay: number,
  longest: boolean,
): number {
  if (item.type === "literal") return character === item.text ? take : -1;
  const isOrdinary = character !== undefined && character !== "\n";
  if (item.type === "one") return isOrdinary ? take : -1;
  if (!isOrdinary || stay === -1) return skip;
  if (skip === -1) return stay;
  return longest ? Math.max(skip, stay) : Math.min(skip, stay);
}

/** Without the shortest or longest match at the start. */
export function trimPrefix(value: string, pattern: string, longest: boolean): string {
  return trim(parsePattern(pattern), [...value], longest).join("");
}

/** Without the shortest or longest match at the end. */
export function trimSuffix(value: string, pattern: string, longest: boolean): string {
  return trim(parsePattern(pattern).reverse(), [...value].reverse(), longest)
    .reverse()
    .join("");
}

function trim(items: readonly Item[], value: readonly string[], longest: boolean): string[] {
  const end = matchEnds(items, value, longest)[0]!;
  return value.slice(Math.max(end, 0));
}

/** With the first (or every) longest match replaced. An empty match right after another one does not count. */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const characters = [...value];
  const ends = matchEnds(parsePattern(pattern), characters, true);
  const out: string[] = [];
  let last = -1;
  let start = 0;
  let replaced = 0;
  for (; start <= characters.length; start++) {
    const end = ends[start]!;
    const isMatch = end !== -1 && !(end === start && start === last);
    if (isMatch) {
      out.push(replacement);
      replaced += replacement.length;
      refuseLong(replaced);
    }
    if (isMatch && !all) return out.join("") + characters.slice(end).join("");
    if (isMatch && end > start) {
      last = end;
      start = end - 1;
    } else if (start < characters.length) out.push(characters[start]!);
  }
  return out.join("");
}
