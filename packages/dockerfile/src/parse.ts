import { TsbuildError } from "@tsbuild/base";
import type { AstNode, DockerfileAst, EscapeCharacter, Heredoc, ParserWarning } from "./ast.ts";
import { decodeSource } from "./decode.ts";
import { DirectiveReader, detectDirective } from "./directive.ts";
import { dockerfileError, type SourceText, throwTogether } from "./error.ts";
import { type HeredocMark, heredocMarks, mayHaveHeredocs, openHeredocHint } from "./heredoc.ts";
import {
  isBlank,
  isComment,
  LineReader,
  LogicalLine,
  type ReaderMark,
  stripContinuation,
  type TextPosition,
  trimLineEnd,
} from "./line.ts";
import { readNode } from "./node.ts";
import { leadingSpace, trimSpace } from "./space.ts";

/**
 * Parses a Dockerfile into nodes: lines joined, flags, JSON forms, pairs and heredocs read (FEATURES D001–D033).
 * Throws TSB_DOCKERFILE for the first thing that cannot be read, with the further ones as `related`. Linear in the
 * size of the text.
 */
export function parse(data: string | Uint8Array, options: { readonly file: string }): DockerfileAst {
  const { ast, errors } = parseLeniently(data, options);
  throwTogether(errors);
  return ast;
}

/** What could be read, and what not: instructions with an error are left out. Throws only when the file is too large. */
export function parseLeniently(
  data: string | Uint8Array,
  options: { readonly file: string },
): { readonly ast: DockerfileAst; readonly errors: readonly TsbuildError[] } {
  const source = { file: options.file, text: decodeSource(data, options.file) };
  const parser = new FileParser(source);
  parser.run();
  const syntax = detectDirective(source.text, "syntax");
  const check = detectDirective(source.text, "check");
  const ast: DockerfileAst = {
    ...source,
    original: data,
    escape: parser.escape,
    nodes: parser.nodes,
    warnings: parser.warnings,
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
  return { ast, errors: parser.errors };
}

/** Parses instructions out of their file: no directives, the escape character is known. */
export function parseFragment(text: string, mark: EscapeCharacter): readonly AstNode[] {
  const parser = new FileParser({ file: "", text });
  parser.escape = mark;
  parser.runFragment();
  return parser.nodes;
}

/** A line of a heredoc without an end that is an instruction in all likelihood. */
const INSTRUCTION =
  /^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)[ \t]/;

interface Piece {
  readonly text: string;
  readonly position: TextPosition;
}

class FileParser {
  escape: EscapeCharacter = "\\";
  readonly nodes: AstNode[] = [];
  readonly warnings: ParserWarning[] = [];
  readonly errors: TsbuildError[] = [];
  readonly #source: SourceText;
  readonly #reader: LineReader;
  readonly #directives = new DirectiveReader();
  #comments: string[] = [];
  /** A heredoc without an end was found, and what follows was read as instructions. */
  #hasOpenHeredoc = false;

  constructor(source: SourceText) {
    this.#source = source;
    this.#reader = new LineReader(source.text);
  }

  runFragment(): void {
    this.#directives.read("");
    this.run();
  }

  run(): void {
    for (let line = this.#reader.next(); line !== undefined; line = this.#reader.next()) {
      try {
        if (isComment(line)) this.#comment(line);
        else this.#instruction(line);
      } catch (error) {
        // Its lines have been read: the next one starts afresh.
        if (!(error instanceof TsbuildError)) throw error;
        this.errors.push(error);
      }
    }
    if (this.nodes.length > 0 || this.errors.length > 0) return;
    this.errors.push(this.#fail(this.#reader.line, "there is no instruction in this file"));
  }

  /** A comment above instructions: a directive, or text that may describe the next instruction. */
  #comment(line: string): void {
    if (this.#directive(trimLineEnd(line).slice(leadingSpace(line)))) return;
    const comment = trimSpace(line.slice(1));
    if (comment === "") this.#comments = [];
    else this.#comments.push(comment);
  }

  #directive(line: string): boolean {
    const directive = this.#directives.read(line);
    if (directive === undefined) return false;
    if (directive.repeated) {
      throw this.#fail(
        this.#reader.line,
        `the directive "${directive.name}" is there twice`,
        "remove one of them",
      );
    }
    if (directive.name === "escape") this.#setEscape(directive.value);
    return true;
  }

  #setEscape(value: string): void {
    if (value !== "\\" && value !== "`") {
      const message = `the escape character cannot be ${JSON.stringify(value)}`;
      throw this.#fail(this.#reader.line, message, "write # escape=\\ or # escape=`");
    }
    this.escape = value;
  }

  #instruction(firstLine: string): void {
    // No directive after this; the reader is told so by being shown the line.
    this.#directives.read("");
    const start = this.#reader.line;
    const pieces = this.#join(firstLine, start);
    if (pieces === undefined) return;
    const line = new LogicalLine(pieces);
    const range = { start, end: this.#reader.line };
    const context = { source: this.#source, line, range, escape: this.escape };
    const node = readNode(context, this.#comments);
    this.#comments = [];
    this.nodes.push(this.#withHeredocs(node, line));
  }

  /** The pieces of a logical line; undefined for a blank one. Comments between them are dropped. */
  #join(firstLine: string, start: number): Piece[] | undefined {
    const indent = leadingSpace(firstLine);
    const text = trimLineEnd(firstLine).slice(indent);
    let stripped = stripContinuation(text, this.escape);
    if (stripped === undefined && text === "") return undefined;
    const pieces = [{ text: stripped ?? text, position: { line: start, column: indent + 1 } }];
    let hasEmptyLine = false;
    while (stripped !== undefined) {
      const next = this.#reader.next();
      if (next === undefined) break;
      if (isComment(next)) continue;
      if (isBlank(next)) {
        hasEmptyLine = true;
        continue;
      }
      const line = trimLineEnd(next);
      stripped = stripContinuation(line, this.escape);
      pieces.push({ text: stripped ?? line, position: { line: this.#reader.line, column: 1 } });
    }
    if (hasEmptyLine) this.#warnEmptyLine(pieces);
    return pieces;
  }

  #warnEmptyLine(pieces: readonly Piece[]): void {
    const line = this.#reader.line;
    const text = pieces.map((piece) => piece.text).join("");
    this.warnings.push({
      rule: "NoEmptyContinuation",
      message: `Empty continuation line found in: ${text}`,
      range: { start: line, end: line },
    });
  }

  #withHeredocs(node: AstNode, line: LogicalLine): AstNode {
    if (!line.text.includes("<<") || !mayHaveHeredocs(node)) return node;
    const heredocs = this.#marks(line, node.range.start).map((mark) =>
      this.#readBody(mark, node.range.start),
    );
    return { ...node, heredocs, range: { start: node.range.start, end: this.#reader.line } };
  }

  #marks(line: LogicalLine, start: number): HeredocMark[] {
    try {
      return heredocMarks(line.text);
    } catch (error) {
      if (!(error instanceof TsbuildError)) throw error;
      const place = { range: { start, end: this.#reader.line } };
      throw error.with({ source: dockerfileError(this.#source, place, error.message).source });
    }
  }

  #readBody(mark: HeredocMark, start: number): Heredoc {
    const first = this.#reader.line + 1;
    let next: ReaderMark | undefined;
    const lines: string[] = [];
    for (let line = this.#reader.next(); line !== undefined; line = this.#reader.next()) {
      const text = trimLineEnd(line);
      if (next === undefined && !this.#hasOpenHeredoc && INSTRUCTION.test(text)) next = this.#reader.before;
      const isTerminator = (mark.chomp ? text.replace(/^\t+/, "") : text) === mark.name;
      if (isTerminator)
        return { ...mark, content: lines.join(""), range: { start: first, end: this.#reader.line } };
      lines.push(line);
    }
    const hint = openHeredocHint(mark, lines, first);
    const range = { start, end: this.#reader.line };
    // What follows is the rest of the file more likely than all of it the body: it is looked through once.
    if (next !== undefined) this.#reader.rewind(next);
    this.#hasOpenHeredoc = true;
    throw dockerfileError(this.#source, { range }, `the heredoc ${mark.name} is not terminated`, hint);
  }

  #fail(line: number, message: string, hint?: string): TsbuildError {
    return dockerfileError(this.#source, { range: { start: line, end: line } }, message, hint);
  }
}
