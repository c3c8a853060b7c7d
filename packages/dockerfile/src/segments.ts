import type { LineRange } from "@tsbuild/base";
import type { AstNode, Directive, DockerfileAst } from "./ast.ts";
import { DirectiveReader } from "./directive.ts";
import { isComment, trimLineEnd } from "./line.ts";
import { leadingSpace } from "./space.ts";

interface SegmentBase<K extends string> {
  readonly kind: K;
  readonly range: LineRange;
  /** The lines as they stand in the file, with their line ends. */
  readonly text: string;
}

export interface InstructionSegment extends SegmentBase<"instruction"> {
  readonly node: AstNode;
}

export interface DirectiveSegment extends SegmentBase<"directive"> {
  readonly name: Directive["name"];
  readonly value: string;
}

/** A stretch of whole lines of a Dockerfile. Comments inside of an instruction belong to the instruction. */
export type Segment = InstructionSegment | DirectiveSegment | SegmentBase<"comment"> | SegmentBase<"blank">;

/** Every line with its line feed. */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const next = end === -1 ? text.length : end + 1;
    lines.push(text.slice(start, next));
    start = next;
  }
  return lines;
}

/**
 * The file as segments in order, without gap or overlap: their texts one after the other are the text of the file.
 * Each comment line is a segment, and each run of blank lines.
 */
export function segments(ast: DockerfileAst): Segment[] {
  const lines = splitLines(ast.text);
  const found: Segment[] = [];
  const directives = new DirectiveReader();
  let line = 1;
  for (const node of ast.nodes) {
    readBetween(lines, line, node.range.start, directives, found);
    directives.read("");
    found.push({
      kind: "instruction",
      range: node.range,
      text: lines.slice(node.range.start - 1, node.range.end).join(""),
      node,
    });
    line = node.range.end + 1;
  }
  readBetween(lines, line, lines.length + 1, directives, found);
  return found;
}

/** Comments, directives and blank lines from line `first` to the one before `end`. */
function readBetween(
  lines: readonly string[],
  first: number,
  end: number,
  directives: DirectiveReader,
  found: Segment[],
): void {
  for (let line = first; line < end; line++) {
    const text = lines[line - 1]!;
    if (isComment(text)) {
      const directive = directives.read(trimLineEnd(text).slice(leadingSpace(text)));
      const common = { range: { start: line, end: line }, text };
      if (directive === undefined) found.push({ kind: "comment", ...common });
      else found.push({ kind: "directive", name: directive.name, value: directive.value, ...common });
      continue;
    }
    directives.read("");
    let last = line;
    while (last + 1 < end && !isComment(lines[last]!)) last++;
    found.push({
      kind: "blank",
      range: { start: line, end: last },
      text: lines.slice(line - 1, last).join(""),
    });
    line = last;
  }
}
