import { type CharacterClass, type GlobItem, parseClass, takes } from "./glob.ts";

// One pattern of an ignore file (FEATURES D133), as moby's patternmatcher means it. Most are a path, a prefix or a
// suffix and cost a comparison; the others become a regular expression, or are simulated where a backtracking
// engine could be made to run for ever.

/** An element of a pattern that has wildcards. */
type Item =
  | GlobItem
  /** `**` in front of something: nothing, or any text up to a slash. */
  | { readonly type: "folders" }
  /** `**` at the end. */
  | { readonly type: "everything" };

type Kind =
  | { readonly type: "exact"; readonly text: string }
  | { readonly type: "prefix"; readonly text: string }
  | { readonly type: "suffix"; readonly text: string }
  | { readonly type: "items"; readonly items: readonly Item[]; readonly simulate: boolean };

/** More wildcards than this are simulated. */
const MAX_BACKTRACKING = 3;

export class PathPattern {
  readonly text: string;
  readonly negated: boolean;
  readonly #kind: Kind;
  #regExp: RegExp | undefined;

  constructor(text: string, negated: boolean) {
    this.text = text;
    this.negated = negated;
    this.#kind = compile(text);
  }

  /** True when the pattern matches exactly this path, parents left aside. */
  matches(path: string): boolean {
    const kind = this.#kind;
    switch (kind.type) {
      case "exact":
        return path === kind.text;
      case "prefix":
        return path.startsWith(kind.text);
      case "suffix":
        return path.endsWith(kind.text) || (kind.text.startsWith("/") && path === kind.text.slice(1));
      case "items":
        return kind.simulate
          ? advance(kind.items, path).has(2 * kind.items.length)
          : this.#expression(kind.items).test(path);
    }
  }

  /** False when nothing below the folder can be matched by the pattern. */
  canMatchBelow(folder: string): boolean {
    const kind = this.#kind;
    const below = folder === "" ? "" : `${folder}/`;
    switch (kind.type) {
      case "exact":
        return kind.text.startsWith(below);
      case "prefix":
        return kind.text.startsWith(below) || below.startsWith(kind.text);
      case "suffix":
        return true;
      case "items":
        return advance(kind.items, below).size > 0;
    }
  }

  #expression(items: readonly Item[]): RegExp {
    this.#regExp ??= new RegExp(`^${items.map(itemPattern).join("")}$`, "su");
    return this.#regExp;
  }
}

function isRepeating(item: Item): boolean {
  return item.type === "any" || item.type === "folders" || item.type === "everything";
}

/** How a pattern can be matched: by its letters where its only wildcard is a `**` at one end. */
function compile(text: string): Kind {
  const items = parseItems(text);
  const literal = /^[^*?[\]\\]*$/;
  if (literal.test(text)) return { type: "exact", text };
  if (text.endsWith("**") && text.length > 2 && literal.test(text.slice(0, -2))) {
    return { type: "prefix", text: text.slice(0, -2) };
  }
  // Unlike `**` elsewhere, it may end within a name here: `**.txt` matches `a.txt`.
  if (text.startsWith("**") && literal.test(text.slice(2))) return { type: "suffix", text: text.slice(2) };
  return { type: "items", items, simulate: items.filter(isRepeating).length > MAX_BACKTRACKING };
}

function parseItems(pattern: string): Item[] {
  const characters = [...pattern];
  const items: Item[] = [];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!;
    if (character === "*" && characters[index + 1] === "*") {
      index += characters[index + 2] === "/" ? 2 : 1;
      items.push({ type: index + 1 === characters.length ? "everything" : "folders" });
    } else if (character === "*") items.push({ type: "any" });
    else if (character === "?") items.push({ type: "one" });
    else if (character === "[") {
      const parsed = parseClass(characters, index, pattern);
      items.push({ type: "class", class: parsed.class });
      index = parsed.end;
    } else {
      items.push({
        type: "character",
        character: character === "\\" ? (characters[++index] ?? "\\") : character,
      });
    }
  }
  return items;
}

function itemPattern(item: Item): string {
  switch (item.type) {
    case "character":
      return codePoint(item.character.codePointAt(0)!);
    case "one":
      return "[^/]";
    case "any":
      return "[^/]*";
    case "folders":
      return "(?:.*/)?";
    case "everything":
      return ".*";
    case "class":
      return classPattern(item.class);
  }
}

function classPattern({ negated, ranges }: CharacterClass): string {
  const members = ranges
    .filter(([low, high]) => low <= high)
    .map(([low, high]) => `${codePoint(low)}-${codePoint(high)}`);
  return `[${negated ? "^" : ""}${members.join("")}]`;
}

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

/**
 * States that the pattern can be in after it read `text`: `2 * i` stands before item `i`, `2 * i + 1` is inside of
 * a `**` at `i`. `2 * items.length` accepts.
 */
function advance(items: readonly Item[], text: string): Set<number> {
  let states = new Set<number>();
  enter(items, 0, states);
  for (const character of text) {
    const next = new Set<number>();
    for (const state of states) step(items, state, character, next);
    states = next;
    if (states.size === 0) break;
  }
  return states;
}

/** Adds the state before item `index` and those that cost no character from there. */
function enter(items: readonly Item[], index: number, states: Set<number>): void {
  for (let at = index; ; at++) {
    states.add(2 * at);
    const item = items[at];
    if (item === undefined || !isRepeating(item)) return;
    if (item.type === "folders") states.add(2 * at + 1);
  }
}

function step(items: readonly Item[], state: number, character: string, next: Set<number>): void {
  const index = state >> 1;
  const item = items[index];
  if (item === undefined) return;
  if (item.type === "folders") {
    if (state % 2 === 0) return; // its other state is in the set as well
    next.add(state);
    if (character === "/") enter(items, index + 1, next);
  } else if (item.type === "everything") enter(items, index, next);
  else if (item.type === "any") {
    if (character !== "/") enter(items, index, next);
  } else if (takes(item, character)) enter(items, index + 1, next);
}
