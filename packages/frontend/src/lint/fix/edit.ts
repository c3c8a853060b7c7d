import type { AstNode, DockerfileAst, DockerfileProgram, Word } from "@tsbuild/dockerfile";
import { wantedCasing } from "../file-checks.ts";

/** New text for a stretch of a file; offsets in UTF-16 units. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A file that is being repaired. */
export class FixedFile {
  readonly ast: DockerfileAst;
  readonly program: DockerfileProgram;
  /** How keywords of the file are written. */
  readonly casing: "lower" | "upper";
  readonly #lineStarts: readonly number[];
  readonly #nodes = new Map<number, AstNode>();

  constructor(ast: DockerfileAst, program: DockerfileProgram) {
    this.ast = ast;
    this.program = program;
    this.casing = wantedCasing(program);
    for (const node of ast.nodes)
      for (let line = node.range.start; line <= node.range.end; line++) this.#nodes.set(line, node);
    this.#lineStarts = [0, ...Array.from(ast.text.matchAll(/\n/g), ({ index }) => index + 1)];
  }

  /** The instruction that a line belongs to. */
  nodeAt(line: number): AstNode | undefined {
    return this.#nodes.get(line);
  }

  /** Offset of a place; line and column count from 1. */
  offset(line: number, column = 1): number {
    return (this.#lineStarts[line - 1] ?? this.ast.text.length) + column - 1;
  }

  /** Offset of the end of a line, before its line end. */
  lineEnd(line: number): number {
    const next = this.offset(line + 1);
    const isLast = line >= this.#lineStarts.length;
    return isLast ? this.ast.text.length : next - (this.ast.text[next - 2] === "\r" ? 2 : 1);
  }

  line(number: number): string {
    return this.ast.text.slice(this.offset(number), this.lineEnd(number));
  }

  /** Replaces a word, if it stands in the file as it is meant: no quotes, escapes or continuations in it. */
  replaceWord(word: Word, text: string): Edit[] {
    const start = this.offset(word.line, word.column);
    const end = start + word.text.length;
    return this.ast.text.slice(start, end) === word.text && text !== word.text ? [{ start, end, text }] : [];
  }

  keyword(node: AstNode): Word {
    return { text: node.keyword, line: node.range.start, column: node.column };
  }
}

/** The text with the edits; of two that overlap, the later one is left out. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let out = "";
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    if (edit.start < at) continue;
    out += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return out + text.slice(at);
}
