import { nearest, TsbuildError } from "@tsbuild/base";
import type { Expression, FunctionName, TemplateNode } from "./parse.ts";
import { parseTemplate } from "./parse.ts";

/** `--format` as docker takes it: a template for a value, e.g. `{{.Id}}` or `{{range .RepoTags}}{{.}} {{end}}`. Throws TSB_USAGE. */
export function compileTemplate(text: string): (value: unknown) => string {
  // Shells leave \t and \n as they were typed.
  const nodes = parseTemplate(text.replaceAll("\\t", "\t").replaceAll("\\n", "\n"));
  return (value) => render(nodes, value);
}

function render(nodes: readonly TemplateNode[], value: unknown): string {
  return nodes.map((node) => renderNode(node, value)).join("");
}

function renderNode(node: TemplateNode, value: unknown): string {
  switch (node.type) {
    case "text":
      return node.text;
    case "print":
      return shown(evaluate(node.value, value));
    case "if":
      return render(isTrue(evaluate(node.value, value)) ? node.body : node.otherwise, value);
    case "range": {
      const items = itemsOf(evaluate(node.value, value));
      return items.length === 0
        ? render(node.otherwise, value)
        : items.map((item) => render(node.body, item)).join("");
    }
  }
}

/** Members of an object come in the order of their names, as Go's maps are printed. */
function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (isObject(value))
    return Object.keys(value)
      .sort()
      .map((key) => value[key]);
  if (value === undefined || value === null) return [];
  throw new TsbuildError("TSB_USAGE", `--format: range over ${JSON.stringify(value)}, which is no list`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** Go's %v: lists in brackets, maps with their keys in order. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(shown).join(" ")}]`;
  if (!isObject(value)) return String(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${key}:${shown(value[key])}`);
  return `map[${members.join(" ")}]`;
}

function evaluate(expression: Expression, value: unknown): unknown {
  switch (expression.type) {
    case "literal":
      return expression.value;
    case "field":
      return fieldOf(value, expression.path);
    case "call":
      return call(
        expression.name,
        expression.args.map((arg) => evaluate(arg, value)),
      );
  }
}

/** A field that what is printed never has is a mistake; deeper down it may just not be set. */
function fieldOf(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const [depth, name] of path.entries()) {
    if (isObject(current) && Object.hasOwn(current, name)) current = current[name];
    else if (depth === 0 && isObject(current)) throw unknownField(name, Object.keys(current));
    else return undefined;
  }
  return current;
}

function unknownField(name: string, known: readonly string[]): TsbuildError {
  const near = nearest(name, known);
  return new TsbuildError("TSB_USAGE", `--format: there is no field .${name}`, {
    hint:
      near === undefined ? `there are ${known.map((one) => `.${one}`).join(", ")}` : `did you mean .${near}?`,
  });
}

function call(name: FunctionName, [first, second]: readonly unknown[]): unknown {
  switch (name) {
    case "json":
      return JSON.stringify(first ?? null);
    case "upper":
      return shown(first).toUpperCase();
    case "lower":
      return shown(first).toLowerCase();
    case "len":
      return typeof first === "string" ? first.length : itemsOf(first).length;
    case "join":
      return itemsOf(first).map(shown).join(shown(second));
    case "index":
      return Array.isArray(first)
        ? first[Number(second)]
        : fieldOf({ value: first }, ["value", String(second)]);
  }
}
