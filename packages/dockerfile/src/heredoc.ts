import { nearest } from "@tsbuild/base";
import type { AstNode, Heredoc } from "./ast.ts";
import { expandWords, NO_VARIABLES } from "./expand.ts";
import { trimLineEnd } from "./line.ts";
import type { WordOptions } from "./word.ts";

/** What `<<NAME` announces. */
export type HeredocMark = Omit<Heredoc, "content" | "range">;

const MARK = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;
const WITH_HEREDOCS: ReadonlySet<string> = new Set(["add", "copy", "run"]);
const NAME_OPTIONS: WordOptions = { skipUnset: true };
const RAW_NAME_OPTIONS: WordOptions = { skipUnset: true, rawQuotes: true };
const LINE_OPTIONS: WordOptions = { skipUnset: true, rawQuotes: true, rawEscapes: true };

/**
 * Reads a word as the start of a heredoc (FEATURES D024): `[fd]<<[-]NAME`. Undefined when it is none. Throws
 * TSB_DOCKERFILE, without a place, on a name that is no word.
 */
export function parseHeredocMark(word: string): HeredocMark | undefined {
  const match = word.includes("<<") ? MARK.exec(word) : null;
  const name = match?.[3];
  if (match === null || name === undefined || name === "") return undefined;
  const words = expandWords(name, NO_VARIABLES, NAME_OPTIONS).words;
  const plain = words.length === 1 ? words[0] : undefined;
  if (plain === undefined) return undefined;
  const quoted = expandWords(name, NO_VARIABLES, RAW_NAME_OPTIONS).words[0] ?? plain;
  return {
    name: plain,
    fd: Math.min(Number(match[1]), Number.MAX_SAFE_INTEGER),
    // Quotes that went away with quote processing quoted a part of the name.
    expand: countQuotes(plain) === countQuotes(quoted),
    chomp: match[2] === "-",
  };
}

function countQuotes(text: string): number {
  return text.length - text.replaceAll(/['"]/g, "").length;
}

/** Heredocs that the words of an instruction start. A line that is no valid sequence of words starts none. */
export function heredocMarks(line: string): HeredocMark[] {
  const marks: HeredocMark[] = [];
  for (const word of lineWords(line)) {
    const mark = parseHeredocMark(word);
    if (mark !== undefined) marks.push(mark);
  }
  return marks;
}

function lineWords(line: string): readonly string[] {
  try {
    return expandWords(line, NO_VARIABLES, LINE_OPTIONS).words;
  } catch {
    return []; // the shell may know more forms than the Dockerfile: `${x,,}`
  }
}

/** RUN, COPY and ADD, also after ONBUILD, unless in JSON form (FEATURES D023). */
export function mayHaveHeredocs(node: AstNode): boolean {
  const instruction = node.trigger ?? node;
  return WITH_HEREDOCS.has(instruction.keyword.toLowerCase()) && instruction.form !== "json";
}

/** The body of a `<<-` heredoc as it is used: without leading tabs (FEATURES D027). */
export function chompHeredoc(content: string): string {
  return content.replaceAll(/^\t+/gm, "");
}

/** Shorter names are one letter away from much that is no end. */
const MIN_MISSPELT = 3;

/** True for a line that was meant to end a heredoc: the name with blanks around, in other letters, or misspelt. */
function isNearlyEnd(line: string, name: string): boolean {
  if (line.length > 2 * name.length + 20) return false;
  const word = line.trim();
  if (word.toLowerCase() === name.toLowerCase()) return true;
  return name.length >= MIN_MISSPELT && !/\s/.test(word) && nearest(word, [name]) !== undefined;
}

/** What to type when a heredoc has no end. `lines`: what would be its body, from the line `first` of the file. */
export function openHeredocHint({ name }: HeredocMark, lines: readonly string[], first: number): string {
  const index = lines.findIndex((line) => isNearlyEnd(line, name));
  if (index < 0) return `end it with a line that holds nothing but ${name}`;
  const line = trimLineEnd(lines[index] ?? "");
  const looks = `line ${first + index} looks like its end`;
  if (line.trim() !== name) return `${looks}, but reads ${JSON.stringify(line.trim())}: write ${name}`;
  if (/^\t+$/.test(line.slice(0, line.indexOf(name))) && line.endsWith(name))
    return `${looks}, but is indented with tabs: write <<-${name}, or begin the line with ${name}`;
  return `${looks}, but has blanks around it: write nothing but ${name}`;
}
