import { textError } from "../error.ts";

/** A set of characters: `[a-z]`, `[^x]`. */
export interface CharacterClass {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

/** One element of a wildcard pattern without `**`. */
export type GlobItem =
  | { readonly type: "character"; readonly character: string }
  /** `?`: one character, no slash. */
  | { readonly type: "one" }
  /** `*`: any text without slash. */
  | { readonly type: "any" }
  | { readonly type: "class"; readonly class: CharacterClass };

/**
 * Reads a pattern of Go's filepath.Match: `*`, `?`, `[^a-z]`, backslash escapes. Throws TSB_DOCKERFILE without a
 * place when it is malformed.
 */
export function parseGlob(pattern: string): GlobItem[] {
  const characters = [...pattern];
  const items: GlobItem[] = [];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!;
    if (character === "*") items.push({ type: "any" });
    else if (character === "?") items.push({ type: "one" });
    else if (character === "[") {
      const parsed = parseClass(characters, index, pattern);
      items.push({ type: "class", class: parsed.class });
      index = parsed.end;
    } else
      items.push({
        type: "character",
        character: character === "\\" ? escaped(characters[++index], pattern) : character,
      });
  }
  return items;
}

function escaped(character: string | undefined, pattern: string): string {
  if (character === undefined) throw malformed(pattern, "it ends with a backslash");
  return character;
}

/** The class that starts at `start`; `end` is the index of its `]`. */
export function parseClass(
  characters: readonly string[],
  start: number,
  pattern: string,
): { readonly class: CharacterClass; readonly end: number } {
  let index = start + 1;
  const negated = characters[index] === "^";
  if (negated) index++;
  const ranges: [number, number][] = [];
  while (characters[index] !== "]" || ranges.length === 0) {
    const low = member();
    const isRange = characters[index] === "-";
    if (isRange) index++;
    ranges.push([low, isRange ? member() : low]);
  }
  return { class: { negated, ranges }, end: index };

  function member(): number {
    let character = characters[index];
    if (character === "-" || character === "]")
      throw malformed(pattern, `"${character}" is out of place in [ ]`);
    if (character === "\\") character = characters[++index];
    index++;
    if (character === undefined || index >= characters.length) throw malformed(pattern, '"[" is not closed');
    return character.codePointAt(0)!;
  }
}

function malformed(pattern: string, why: string) {
  return textError(
    `malformed pattern ${JSON.stringify(pattern)}: ${why}`,
    "put a backslash before * ? [ ] to mean the character",
  );
}

export function inClass({ negated, ranges }: CharacterClass, character: string): boolean {
  const code = character.codePointAt(0)!;
  return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
}

/** True when the one item that takes a single character takes this one. */
export function takes(item: GlobItem, character: string): boolean {
  if (item.type === "character") return item.character === character;
  if (item.type === "class") return inClass(item.class, character);
  return item.type === "one" && character !== "/";
}

/**
 * Go's filepath.Match: the whole name must match. For COPY wildcards, element by element (FEATURES D105). Throws
 * TSB_DOCKERFILE without a place on a malformed pattern.
 */
export function matchGlob(pattern: string, name: string): boolean {
  return matchItems(compiled(pattern), [...name]);
}

const cache = new Map<string, readonly GlobItem[]>();

/** The pattern last used stays read: one pattern is held against many names. */
function compiled(pattern: string): readonly GlobItem[] {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (cache.size > 100) cache.clear();
  const items = parseGlob(pattern);
  cache.set(pattern, items);
  return items;
}

/** After a mismatch only the last `*` has to take more: earlier ones could not do better. */
function matchItems(items: readonly GlobItem[], name: readonly string[]): boolean {
  let item = 0;
  let at = 0;
  let star = -1;
  let starEnd = 0;
  while (at < name.length) {
    const current = items[item];
    if (current?.type === "any") {
      star = item++;
      starEnd = at;
    } else if (current !== undefined && takes(current, name[at]!)) {
      item++;
      at++;
    } else if (star !== -1 && name[starEnd] !== "/") {
      item = star + 1;
      at = ++starEnd;
    } else return false;
  }
  while (items[item]?.type === "any") item++;
  return item === items.length;
}
