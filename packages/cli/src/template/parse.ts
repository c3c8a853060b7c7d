import { TsbuildError } from "@tsbuild/base";

/** A template of Go's text/template, in the part that docker's --format is used with. */
export type TemplateNode =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "print"; readonly value: Expression }
  | {
      readonly type: "range";
      readonly value: Expression;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    }
  | {
      readonly type: "if";
      readonly value: Expression;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

/** `.Config.Env`, `"text"`, or a function of such. */
export type Expression =
  | { readonly type: "field"; readonly path: readonly string[] }
  | { readonly type: "literal"; readonly value: string | number }
  | { readonly type: "call"; readonly name: FunctionName; readonly args: readonly Expression[] };

const ARGUMENTS = new Map([
  ["json", 1],
  ["upper", 1],
  ["lower", 1],
  ["len", 1],
  ["join", 2],
  ["index", 2],
] as const);

export type FunctionName = typeof ARGUMENTS extends Map<infer K, number> ? K : never;

const KNOWN =
  "fields such as {{.Id}} and {{.Config.Env}}, json, join, index, len, upper, lower, range, if, else, end";

function invalid(why: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `--format: ${why}`, { hint: `known are ${KNOWN}` });
}

/** Reads a template. Throws TSB_USAGE naming what is not known. */
export function parseTemplate(text: string): readonly TemplateNode[] {
  const parts = text.split(/(\{\{.*?\}\})/s).filter((part) => part !== "");
  const reader = { parts, at: 0 };
  const { nodes, end } = readNodes(reader);
  if (end !== undefined) throw invalid(`{{${end}}} without range or if`);
  return nodes;
}

interface Reader {
  readonly parts: readonly string[];
  at: number;
}

function readNodes(reader: Reader): { nodes: TemplateNode[]; end: "end" | "else" | undefined } {
  const nodes: TemplateNode[] = [];
  while (reader.at < reader.parts.length) {
    const part = reader.parts[reader.at++] ?? "";
    if (!part.startsWith("{{") || !part.endsWith("}}")) {
      if (part.includes("{{")) throw invalid("{{ without }}");
      nodes.push({ type: "text", text: part });
      continue;
    }
    const action = part.slice(2, -2).trim();
    if (action === "end" || action === "else") return { nodes, end: action };
    nodes.push(readAction(reader, action));
  }
  return { nodes, end: undefined };
}

function readAction(reader: Reader, action: string): TemplateNode {
  const [, word, rest = ""] = /^(range|if)\s+(.*)$/s.exec(action) ?? [];
  if (word === undefined) return { type: "print", value: parseExpression(action) };
  const value = parseExpression(rest);
  const { nodes: body, end } = readNodes(reader);
  const otherwise = end === "else" ? readNodes(reader) : { nodes: [], end };
  if (otherwise.end !== "end") throw invalid(`{{${action}}} has no {{end}}`);
  return { type: word === "if" ? "if" : "range", value, body, otherwise: otherwise.nodes };
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|\.[\w.-]*|-?\d+|[A-Za-z]\w*)/y;

function parseExpression(text: string): Expression {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let end = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1] ?? "");
    end = TOKEN.lastIndex;
  }
  if (tokens.length === 0 || text.slice(end).trim() !== "") throw invalid(`cannot read {{${text}}}`);
  const [first = "", ...rest] = tokens;
  if (!/^[A-Za-z]/.test(first)) {
    if (rest.length > 0) throw invalid(`cannot read {{${text}}}`);
    return operand(first);
  }
  return { type: "call", name: functionName(first, rest.length), args: rest.map(operand) };
}

function functionName(word: string, given: number): FunctionName {
  const found = [...ARGUMENTS].find(([name]) => name === word);
  if (found === undefined) throw invalid(`${JSON.stringify(word)} is not known`);
  if (found[1] !== given) throw invalid(`${word} takes ${found[1]} arguments, not ${given}`);
  return found[0];
}

function operand(token: string): Expression {
  if (token.startsWith(".")) return { type: "field", path: token.split(".").filter((name) => name !== "") };
  if (token.startsWith('"')) return { type: "literal", value: literal(token) };
  if (/^-?\d/.test(token)) return { type: "literal", value: Number(token) };
  throw invalid(`${JSON.stringify(token)} is not a field, a text or a number`);
}

function literal(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch (cause) {
    throw new TsbuildError("TSB_USAGE", `--format: cannot read the text ${token}`, { cause });
  }
}
