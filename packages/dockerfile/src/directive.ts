import type { Directive } from "./ast.ts";

export type DirectiveName = Directive["name"];

// Only these blanks: the pattern is ASCII in the language, unlike trimming.
const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*$/;
const KNOWN: ReadonlySet<string> = new Set<DirectiveName>(["syntax", "escape", "check"]);

/**
 * Reads directives from the top of a file, line by line (FEATURES D010–D012). The first line that is none ends
 * them for good.
 */
export class DirectiveReader {
  readonly #prefix: string;
  readonly #seen = new Set<DirectiveName>();
  #done = false;

  /** `prefix` starts a comment: `#`, or `//` in files of other frontends. */
  constructor(prefix = "#") {
    this.#prefix = prefix;
  }

  get done(): boolean {
    return this.#done;
  }

  /** The directive in this line; "repeated" when it was there before; undefined when it is none. */
  read(
    line: string,
  ): { readonly name: DirectiveName; readonly value: string; readonly repeated: boolean } | undefined {
    if (this.#done) return undefined;
    const match = line.startsWith(this.#prefix)
      ? DIRECTIVE.exec(line.slice(this.#prefix.length).replace(/^\s+/, ""))
      : null;
    const name = match?.[1]?.toLowerCase();
    if (match === null || name === undefined || !KNOWN.has(name)) {
      this.#done = true;
      return undefined;
    }
    const repeated = this.#seen.has(name as DirectiveName);
    this.#seen.add(name as DirectiveName);
    return { name: name as DirectiveName, value: match[2]!, repeated };
  }
}

/** Lines from the top as long as `reader` takes them for directives. */
function findIn(
  lines: Iterable<string>,
  firstLine: number,
  name: DirectiveName,
  prefix: string,
): Directive | undefined {
  const reader = new DirectiveReader(prefix);
  let line = firstLine;
  for (const text of lines) {
    const directive = reader.read(text);
    if (directive === undefined || directive.repeated) return undefined;
    if (directive.name === name)
      return { name, ...splitValue(directive.value), range: { start: line, end: line } };
    line++;
  }
  return undefined;
}

function splitValue(text: string): Pick<Directive, "value" | "text"> {
  return { value: text.split(" ")[0]!, text };
}

function* linesOf(text: string, offset: number): Generator<string> {
  for (let start = offset; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end === -1 ? text.length : end);
    yield line.endsWith("\r") ? line.slice(0, -1) : line;
    if (end === -1) return;
    start = end + 1;
  }
}

/**
 * A directive as tools look for it that do not know the language of the file (FEATURES D014): a shebang line is
 * skipped; for `syntax`, comments may start with `//`, and a JSON object with the key is taken as well.
 */
export function detectDirective(text: string, name: DirectiveName): Directive | undefined {
  const shebangEnd = text.startsWith("#!") ? text.indexOf("\n") + 1 || text.length : 0;
  const firstLine = shebangEnd > 0 ? 2 : 1;
  const found = findIn(linesOf(text, shebangEnd), firstLine, name, "#");
  if (found !== undefined || name !== "syntax") return found;
  return (
    findIn(linesOf(text, shebangEnd), firstLine, name, "//") ?? jsonSyntax(text.slice(shebangEnd), firstLine)
  );
}

function jsonSyntax(text: string, line: number): Directive | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined;
  const value = parseObject(text)?.["syntax"];
  if (typeof value !== "string") return undefined;
  return { name: "syntax", value, text: value, range: { start: line, end: line } };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined; // not JSON: then it is an ordinary Dockerfile
  }
}
