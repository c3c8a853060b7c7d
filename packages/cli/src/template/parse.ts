import { nearest, TsbuildError } from "@tsbuild/base";
import { FUNCTIONS } from "./functions.ts";
import { splitActions, tokensOf } from "./tokens.ts";

/** A template of Go's text/template, in the part that docker's --format is used with. */
export type TemplateNode =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "print"; readonly value: Expression }
  | { readonly type: "set"; readonly name: string; readonly value: Expression }
  | {
      readonly type: "if" | "range" | "with";
      readonly value: Expression;
      /** `range $key, $value :=`, or one of them: then the value. */
      readonly names: readonly string[];
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

/** `.Config.Env`, `$name.Field`, `"text"`, or a function of such. */
export type Expression =
  | { readonly type: "field"; readonly of: Expression | undefined; readonly path: readonly string[] }
  | { readonly type: "variable"; readonly name: string }
  | { readonly type: "literal"; readonly value: string | number | boolean }
  | { readonly type: "call"; readonly name: string; readonly args: readonly Expression[] };

export function invalidTemplate(why: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `--format: ${why}`, {
    hint:
      hint ??
      "known are fields such as {{.Id}}, if, else, range, with, end, $variables, pipes and docker's functions",
  });
}

/** Reads a template. Throws TSB_USAGE naming what is not known. */
export function parseTemplate(text: string): readonly TemplateNode[] {
  const parser = new TemplateParser(splitActions(text));
  const { nodes, end } = parser.nodes();
  if (end !== undefined) throw invalidTemplate(`{{${end}}} without range or if`);
  return nodes;
}

const BLOCKS = ["if", "range", "with"] as const;

class TemplateParser {
  readonly #parts: ReturnType<typeof splitActions>;
  #at = 0;

  constructor(parts: ReturnType<typeof splitActions>) {
    this.#parts = parts;
  }

  nodes(): { nodes: TemplateNode[]; end: string | undefined } {
    const nodes: TemplateNode[] = [];
    while (this.#at < this.#parts.length) {
      const part = this.#parts[this.#at++]!;
      if (part.type === "text") nodes.push(part);
      else if (part.action === "end" || /^else\b/.test(part.action)) return { nodes, end: part.action };
      else nodes.push(this.#node(part.action));
    }
    return { nodes, end: undefined };
  }

  #node(action: string): TemplateNode {
    const [, word, rest = ""] = /^(if|range|with)\b(.*)$/s.exec(action) ?? [];
    const block = BLOCKS.find((one) => one === word);
    if (block !== undefined) return this.#block(block, rest.trim(), action);
    const [, name, value = ""] = /^(\$\w*)\s*:?=\s*(.*)$/s.exec(action) ?? [];
    if (name !== undefined) return { type: "set", name, value: parseExpression(value) };
    return { type: "print", value: parseExpression(action) };
  }

  #block(type: (typeof BLOCKS)[number], text: string, action: string): TemplateNode {
    const [, declared, source = text] = /^((?:\$\w+\s*,\s*)?\$\w+)\s*:=\s*(.*)$/s.exec(text) ?? [];
    const names = declared?.split(",").map((name) => name.trim()) ?? [];
    const value = parseExpression(source);
    const { nodes: body, end } = this.nodes();
    return { type, names, value, body, otherwise: this.#otherwise(end, action) };
  }

  /** What stands between `{{else}}` and `{{end}}`; `{{else if …}}` is a block of its own with the same end. */
  #otherwise(end: string | undefined, action: string): readonly TemplateNode[] {
    if (end === "end") return [];
    if (end === undefined) throw invalidTemplate(`{{${action}}} has no {{end}}`);
    const next = end.slice("else".length).trim();
    if (next !== "") return [this.#node(next)];
    const { nodes, end: last } = this.nodes();
    if (last !== "end") throw invalidTemplate(`{{${action}}} has no {{end}}`);
    return nodes;
  }
}

function parseExpression(text: string): Expression {
  const tokens = tokensOf(text);
  if (tokens === undefined || tokens.length === 0) throw invalidTemplate(`cannot read {{${text}}}`);
  const parser = new ExpressionParser(tokens, text);
  return parser.whole();
}

class ExpressionParser {
  readonly #tokens: readonly string[];
  readonly #text: string;
  #at = 0;

  constructor(tokens: readonly string[], text: string) {
    this.#tokens = tokens;
    this.#text = text;
  }

  whole(): Expression {
    const value = this.#pipeline();
    if (this.#at < this.#tokens.length) throw this.#unreadable();
    return value;
  }

  /** `a | f x` is `f x a`. */
  #pipeline(): Expression {
    let value = this.#command(undefined);
    while (this.#tokens[this.#at] === "|") {
      this.#at++;
      value = this.#command(value);
    }
    return value;
  }

  #command(last: Expression | undefined): Expression {
    const first = this.#tokens[this.#at];
    const isFunction =
      first !== undefined && /^[A-Za-z]/.test(first) && first !== "true" && first !== "false";
    if (!isFunction) {
      const value = this.#operand();
      if (last !== undefined || !this.#isDone()) throw this.#unreadable();
      return value;
    }
    this.#at++;
    const args: Expression[] = [];
    while (!this.#isDone()) args.push(this.#operand());
    if (last !== undefined) args.push(last);
    return { type: "call", name: checkedName(first, args.length), args };
  }

  #isDone(): boolean {
    const token = this.#tokens[this.#at];
    return token === undefined || token === "|" || token === ")";
  }

  #operand(): Expression {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw this.#unreadable();
    if (token === "(") return this.#group();
    if (token.startsWith("$")) {
      const [name = "", ...path] = token.split(".");
      return withFields({ type: "variable", name }, path);
    }
    if (token.startsWith(".")) return { type: "field", of: undefined, path: names(token) };
    if (/^["`]/.test(token)) return { type: "literal", value: literal(token) };
    if (/^-?\d/.test(token)) return { type: "literal", value: Number(token) };
    if (token === "true" || token === "false") return { type: "literal", value: token === "true" };
    // A function without arguments among the arguments of another.
    if (/^[A-Za-z]/.test(token)) return { type: "call", name: checkedName(token, 0), args: [] };
    throw this.#unreadable();
  }

  #group(): Expression {
    const value = this.#pipeline();
    const close = this.#tokens[this.#at++];
    if (close !== ")") throw this.#unreadable();
    // `(index .List 0).Field`
    const next = this.#tokens[this.#at];
    if (next === undefined || !/^\.\w/.test(next)) return value;
    this.#at++;
    return withFields(value, names(next));
  }

  #unreadable(): TsbuildError {
    return invalidTemplate(`cannot read {{${this.#text.trim()}}}`);
  }
}

function names(token: string): string[] {
  return token.split(".").filter((name) => name !== "");
}

function withFields(of: Expression, path: readonly string[]): Expression {
  return path.length === 0 ? of : { type: "field", of, path };
}

function checkedName(name: string, given: number): string {
  const found = FUNCTIONS.get(name);
  if (found === undefined) {
    const near = nearest(name, [...FUNCTIONS.keys()]);
    const hint =
      near === undefined ? `functions are ${[...FUNCTIONS.keys()].join(", ")}` : `did you mean ${near}?`;
    throw invalidTemplate(`${JSON.stringify(name)} is not known`, hint);
  }
  const [least, most] = found.takes;
  if (given >= least && given <= most) return name;
  const wanted =
    least === most
      ? `${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `${least} to ${most}`;
  throw invalidTemplate(`${name} takes ${wanted} arguments, not ${given}`);
}

function literal(token: string): string {
  if (token.startsWith("`")) return token.slice(1, -1);
  try {
    return String(JSON.parse(token));
  } catch (cause) {
    throw new TsbuildError("TSB_USAGE", `--format: cannot read the text ${token}`, { cause });
  }
}
