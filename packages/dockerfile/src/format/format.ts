import { assert, TsbuildError } from "@tsbuild/base";
import type { DockerfileAst } from "../ast.ts";
import { trimLineEnd } from "../line.ts";
import { parse, parseLeniently } from "../parse.ts";
import { type Segment, segments, splitLines } from "../segments.ts";
import { leadingSpace, trimSpace } from "../space.ts";
import { formatInstruction } from "./instruction.ts";
import { sameMeaning } from "./same-meaning.ts";

export interface FormatOptions {
  /** Name of the file for messages; default `Dockerfile`. */
  readonly file?: string;
}

/**
 * A Dockerfile in one canonical style, with the same meaning: it compiles to the same graph and image config.
 *
 * - Keywords (and `AS`, `CMD`, `NONE`) in upper case, one blank between words, `["a", "b"]` in JSON form.
 * - Lines stay lines: nothing is joined or wrapped. Further lines are indented by four blanks, except where blanks are
 *   part of what is run.
 * - Comments stay, without indentation; inside of an instruction they are indented as the line below them.
 * - At most one blank line in a row, one above each stage, none inside of an instruction; `# directive=value`.
 * - Line feeds at line ends, one at the end of the file, no byte order mark. Heredoc bodies stay as they are.
 *
 * Throws TSB_DOCKERFILE when the file cannot be parsed, or is no UTF-8.
 */
export function format(data: string | Uint8Array, options: FormatOptions = {}): string {
  const file = options.file ?? "Dockerfile";
  refuseOtherEncodings(data, file);
  const ast = parse(data, { file });
  const text = new FileFormatter(ast).run();
  if (readsAs(text, ast)) return text;
  // Blank lines at the top were what kept a comment from being a directive.
  const held = `\n${text}`;
  assert(readsAs(held, ast), `formatting changes the meaning of ${file}`);
  return held;
}

function readsAs(text: string, ast: DockerfileAst): boolean {
  const again = parseLeniently(text, { file: ast.file });
  return again.errors.length === 0 && sameMeaning(ast, again.ast);
}

function refuseOtherEncodings(data: string | Uint8Array, file: string): void {
  if (typeof data === "string") return;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch (cause) {
    throw new TsbuildError("TSB_DOCKERFILE", `${file} is not UTF-8: formatting it would lose bytes`, {
      hint: "convert it first, for example with iconv -t UTF-8",
      cause,
    });
  }
}

class FileFormatter {
  readonly #ast: DockerfileAst;
  readonly #lines: readonly string[];
  readonly #out: string[] = [];
  /** Where in `#out` the comments right above the next instruction begin. */
  #block = 0;
  #hasFrom = false;

  constructor(ast: DockerfileAst) {
    this.#ast = ast;
    this.#lines = splitLines(ast.text);
  }

  run(): string {
    for (const segment of segments(this.#ast)) this.#add(segment);
    while (this.#out.at(-1) === "\n") this.#out.pop();
    return this.#out.join("");
  }

  #add(segment: Segment): void {
    switch (segment.kind) {
      case "blank":
        this.#blank();
        this.#block = this.#out.length;
        break;
      case "comment":
        this.#out.push(`${formatComment(segment.text)}\n`);
        break;
      case "directive":
        this.#out.push(formatDirective(segment));
        this.#block = this.#out.length;
        break;
      case "instruction":
        if (segment.node.keyword.toUpperCase() === "FROM") this.#stage();
        this.#out.push(formatInstruction(segment.node, this.#lines, this.#ast.escape));
        this.#block = this.#out.length;
    }
  }

  #blank(): void {
    if (this.#out.length > 0 && this.#out.at(-1) !== "\n") this.#out.push("\n");
  }

  /** A blank line above a further stage and the comments that belong to it. */
  #stage(): void {
    if (this.#hasFrom && this.#out[this.#block - 1] !== "\n") this.#out.splice(this.#block, 0, "\n");
    this.#hasFrom = true;
  }
}

/** A comment that could be taken for a directive keeps its place: indentation can be what makes it none. */
function formatComment(line: string): string {
  const text = trimSpace(line);
  const isLikeDirective = /^#\s*\w+\s*=/.test(text);
  return isLikeDirective ? line.slice(0, leadingSpace(line)) + text : text;
}

function formatDirective({ text, name, value }: Extract<Segment, { readonly kind: "directive" }>): string {
  return text.startsWith("#") ? `# ${name}=${value}\n` : `${trimLineEnd(text)}\n`;
}
