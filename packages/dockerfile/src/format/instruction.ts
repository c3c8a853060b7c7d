import type { AstNode, EscapeCharacter } from "../ast.ts";
import { INSTRUCTION_NAMES } from "../node.ts";
import { parseFragment } from "../parse.ts";
import { leadingSpace } from "../space.ts";
import { type Cursor, formatWords, type Start } from "./head.ts";
import { renderRows } from "./rows.ts";
import { sameNode } from "./same-meaning.ts";
import { type SourceLine, sourceLines } from "./source-lines.ts";
import { type Formatted, formatJson, formatRaw } from "./tail.ts";

/** Any instruction, to stand after one that is tried out. */
const NEXT = "FROM next";
const KNOWN: ReadonlySet<string> = new Set(INSTRUCTION_NAMES);

/**
 * An instruction in canonical style, heredoc bodies as they are; ends with a line feed. `lines` are those of the
 * file. What was written is kept (but for line ends) when it is no instruction, and wherever the result would not
 * be read as the same instruction: lines can be continued in the middle of a word.
 */
export function formatInstruction(node: AstNode, lines: readonly string[], mark: EscapeCharacter): string {
  const bodies = heredocText(node, lines);
  const own = sourceLines(node, lines, mark);
  const formatted = KNOWN.has(node.keyword.toUpperCase()) ? arrange(node, own) : undefined;
  if (formatted === undefined) return verbatim(own, mark) + bodies;
  const text = renderRows(formatted.rows, formatted.after, mark) + bodies;
  return isReadAs(text, node, mark) ? text : verbatim(own, mark) + bodies;
}

/** The text is the node, and does not go on into what follows. */
function isReadAs(text: string, node: AstNode, mark: EscapeCharacter): boolean {
  const [again, next, ...others] = parseFragment(`${text}${NEXT}\n`, mark);
  return again !== undefined && next?.original === NEXT && others.length === 0 && sameNode(node, again);
}

function heredocText(node: AstNode, lines: readonly string[]): string {
  const first = node.heredocs[0];
  if (first === undefined) return "";
  const text = lines.slice(first.range.start - 1, node.range.end).join("");
  return text.endsWith("\n") ? text : `${text}\n`;
}

function verbatim(lines: readonly SourceLine[], mark: EscapeCharacter): string {
  let out = "";
  for (const [index, line] of lines.entries()) {
    if (line.kind === "blank") continue;
    const text = index === 0 ? line.text.slice(leadingSpace(line.text)) : line.text;
    out += `${text}${line.continued ? mark : ""}\n`;
  }
  return out;
}

function arrange(node: AstNode, lines: readonly SourceLine[]): Formatted | undefined {
  const keyword = { line: node.range.start, column: node.column };
  const words = [keyword, ...node.flags, ...headArgs(node)];
  const tail = tailStart(node, lines);
  if (tail === "unknown") return undefined;
  const head = formatWords(lines, words, tail, (word, index) => rewrite(node, word, index));
  if (head === undefined) return undefined;
  if (tail === undefined) return { rows: head.rows, after: head.comments };
  return formatTail(node, head, tail, lines);
}

function formatTail(
  node: AstNode,
  head: Cursor,
  tail: Start,
  lines: readonly SourceLine[],
): Formatted | undefined {
  return node.form === "json" ? formatJson(head, tail, lines) : formatRaw(head, tail, lines);
}

/** Arguments that are words between blanks; those of pairs stand for themselves, their value and the `=`. */
function headArgs({ keyword, form, args }: AstNode): readonly Start[] {
  const isHealthcheck = keyword.toUpperCase() === "HEALTHCHECK";
  if (form === "words") return args;
  if (form === "pairs")
    return args[2]?.text === "" ? args.slice(0, 1) : args.filter((_, index) => index % 3 === 0);
  return isHealthcheck ? args.slice(0, 1) : [];
}

/** Where the words end and text begins in which blanks count, or JSON; undefined when there is no such text. */
function tailStart(node: AstNode, lines: readonly SourceLine[]): Start | undefined | "unknown" {
  const { form, args } = node;
  if (form === "json") return bracket(node, lines) ?? "unknown";
  if (form === "trigger") return triggerStart(node, lines) ?? "unknown";
  if (form === "pairs") return args[2]?.text === "" ? args[1] : undefined;
  return form === "raw" ? args[headArgs(node).length] : undefined;
}

/** The trigger, when it begins in the line of the ONBUILD. */
function triggerStart({ trigger, column, range }: AstNode, lines: readonly SourceLine[]): Start | undefined {
  if (trigger === undefined || trigger.column <= column) return undefined;
  const isThere = lines[0]!.text.startsWith(trigger.keyword, trigger.column - 1);
  return isThere ? { line: range.start, column: trigger.column } : undefined;
}

/** The bracket in front of the first string; for an empty array the last bracket there is. */
function bracket({ keyword, args }: AstNode, lines: readonly SourceLine[]): Start | undefined {
  const first = keyword.toUpperCase() === "HEALTHCHECK" ? args[1] : args[0];
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]!;
    if (line.kind !== "text" || (first !== undefined && line.number > first.line)) continue;
    const end = first?.line === line.number ? first.column - 1 : line.text.length;
    const at = line.text.slice(0, end).lastIndexOf("[");
    if (at !== -1) return { line: line.number, column: at + 1 };
  }
  return undefined;
}

/** Keywords are written in upper case. */
function rewrite(node: AstNode, word: string, index: number): string {
  if (index === 0) return node.keyword.toUpperCase() + word.slice(node.keyword.length);
  const arg = index - 1 - node.flags.length;
  const isAs = node.keyword.toUpperCase() === "FROM" && arg === 1 && word.toUpperCase() === "AS";
  const isType = node.keyword.toUpperCase() === "HEALTHCHECK" && arg === 0;
  return isAs || isType ? word.toUpperCase() : word;
}
