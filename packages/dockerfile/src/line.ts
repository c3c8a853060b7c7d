import type { EscapeCharacter } from "./ast.ts";
import { leadingSpace } from "./space.ts";

/** A place between two lines. */
export interface ReaderMark {
  readonly offset: number;
  readonly line: number;
}

/** Physical lines of a text, one at a time, each with its line end. */
export class LineReader {
  readonly #text: string;
  #offset = 0;
  /** Where the line read last starts. */
  #start = 0;
  #line = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Number of the line read last, from 1. */
  get line(): number {
    return this.#line;
  }

  /** The place before the line read last, to go back to. */
  get before(): ReaderMark {
    return { offset: this.#start, line: this.#line - 1 };
  }

  rewind({ offset, line }: ReaderMark): void {
    this.#offset = offset;
    this.#line = line;
  }

  /** The next line with its `\n`; undefined at the end. */
  next(): string | undefined {
    if (this.#offset >= this.#text.length) return undefined;
    const end = this.#text.indexOf("\n", this.#offset);
    const next = end === -1 ? this.#text.length : end + 1;
    const line = this.#text.slice(this.#offset, next);
    this.#start = this.#offset;
    this.#offset = next;
    this.#line++;
    return line;
  }
}

/** Without the line feed and carriage returns at the end (FEATURES D002). */
export function trimLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line.charCodeAt(end - 1) === 10 || line.charCodeAt(end - 1) === 13)) end--;
  return line.slice(0, end);
}

/** A line whose first non-blank is `#` (FEATURES D006). */
export function isComment(line: string): boolean {
  return line.charCodeAt(leadingSpace(line)) === 35;
}

/** Nothing but blanks. */
export function isBlank(line: string): boolean {
  return leadingSpace(line) === line.length;
}

/**
 * The line without its continuation mark, undefined when it has none: the escape character at the end, blanks
 * after it allowed, and not itself after an escape character. Runs of three and more are judged by the one
 * character before only, as everyone does (FEATURES D007, D009).
 */
export function stripContinuation(line: string, mark: EscapeCharacter): string | undefined {
  let end = line.length - 1;
  while (end >= 0 && (line[end] === " " || line[end] === "\t")) end--;
  if (end < 0 || line[end] !== mark || (end > 0 && line[end - 1] === mark)) return undefined;
  return line.slice(0, end);
}

export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** A joined line: an instruction without its heredoc bodies. Knows where each of its characters came from. */
export class LogicalLine {
  readonly text: string;
  readonly #offsets: readonly number[];
  readonly #positions: readonly TextPosition[];

  constructor(pieces: readonly { readonly text: string; readonly position: TextPosition }[]) {
    const offsets: number[] = [];
    let offset = 0;
    for (const piece of pieces) {
      offsets.push(offset);
      offset += piece.text.length;
    }
    this.text = pieces.map((piece) => piece.text).join("");
    this.#offsets = offsets;
    this.#positions = pieces.map((piece) => piece.position);
  }

  /** Line and column of the character at `offset` of `text`. */
  position(offset: number): TextPosition {
    let low = 0;
    let high = this.#offsets.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#offsets[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    const { line, column } = this.#positions[low]!;
    return { line, column: column + offset - this.#offsets[low]! };
  }
}
