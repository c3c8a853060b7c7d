import type { AstNode, EscapeCharacter } from "../ast.ts";
import { isBlank, isComment, stripContinuation, trimLineEnd } from "../line.ts";
import { trimSpace } from "../space.ts";

/** A physical line of an instruction, above its heredoc bodies. */
export interface SourceLine {
  readonly number: number;
  /** Text without line end and continuation mark; of comments, all but the blanks around. */
  readonly text: string;
  readonly kind: "text" | "comment" | "blank";
  readonly continued: boolean;
}

/** The lines that an instruction was joined from, comments and blank lines between them included. */
export function sourceLines(node: AstNode, lines: readonly string[], mark: EscapeCharacter): SourceLine[] {
  const last = (node.heredocs[0]?.range.start ?? node.range.end + 1) - 1;
  const found: SourceLine[] = [];
  for (let number = node.range.start; number <= last; number++) {
    const raw = lines[number - 1]!;
    const isFirst = number === node.range.start;
    if (!isFirst && isComment(raw))
      found.push({ number, text: trimSpace(raw), kind: "comment", continued: false });
    else if (!isFirst && isBlank(raw)) found.push({ number, text: "", kind: "blank", continued: false });
    else {
      const line = trimLineEnd(raw);
      const stripped = stripContinuation(line, mark);
      found.push({ number, text: stripped ?? line, kind: "text", continued: stripped !== undefined });
    }
  }
  return found;
}
