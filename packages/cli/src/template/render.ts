import { FUNCTIONS } from "./functions.ts";
import { type Expression, invalidTemplate, parseTemplate, type TemplateNode } from "./parse.ts";
import { entriesOf, fieldOf, isTrue, shown } from "./values.ts";

/** What `.` and `$name` stand for. */
interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
}

/** `--format` as docker takes it: a template for a value, e.g. `{{.Id}}` or `{{range .RepoTags}}{{.}} {{end}}`. Throws TSB_USAGE. */
export function compileTemplate(text: string): (value: unknown) => string {
  // Shells leave \t and \n as they were typed; within the texts of an action they are JSON's.
  const nodes = parseTemplate(
    text.replace(/\\([tn])(?=[^"{}]*(?:\{\{|$))/g, (_, letter) => (letter === "t" ? "\t" : "\n")),
  );
  return (value) => render(nodes, { dot: value, variables: new Map([["$", value]]) });
}

function render(nodes: readonly TemplateNode[], scope: Scope): string {
  // What is declared in a block ends with it.
  const inner = { dot: scope.dot, variables: new Map(scope.variables) };
  return nodes.map((node) => renderNode(node, inner)).join("");
}

function renderNode(node: TemplateNode, scope: Scope): string {
  switch (node.type) {
    case "text":
      return node.text;
    case "print":
      return shown(evaluate(node.value, scope));
    case "set":
      scope.variables.set(node.name, evaluate(node.value, scope));
      return "";
    case "if":
    case "with":
      return renderChoice(node, scope);
    case "range":
      return renderRange(node, scope);
  }
}

type Block = Extract<TemplateNode, { readonly names: readonly string[] }>;

function renderChoice({ type, names, value: condition, body, otherwise }: Block, scope: Scope): string {
  const value = evaluate(condition, scope);
  if (!isTrue(value)) return render(otherwise, scope);
  const variables = new Map([...scope.variables, ...names.map((name) => [name, value] as const)]);
  return render(body, { dot: type === "with" ? value : scope.dot, variables });
}

function renderRange({ names, value, body, otherwise }: Block, scope: Scope): string {
  const entries = entriesOf(evaluate(value, scope));
  if (entries.length === 0) return render(otherwise, scope);
  const parts = entries.map(([key, item]) => {
    const values = names.length === 2 ? [key, item] : [item];
    const named = names.map((name, at) => [name, values[at]] as const);
    return render(body, { dot: item, variables: new Map([...scope.variables, ...named]) });
  });
  return parts.join("");
}

function evaluate(expression: Expression, scope: Scope): unknown {
  switch (expression.type) {
    case "literal":
      return expression.value;
    case "field": {
      const { of, path } = expression;
      return fieldOf(of === undefined ? scope.dot : evaluate(of, scope), path);
    }
    case "variable":
      if (scope.variables.has(expression.name)) return scope.variables.get(expression.name);
      throw invalidTemplate(`the variable ${expression.name} is not set`);
    case "call":
      return FUNCTIONS.get(expression.name)?.call(expression.args.map((arg) => evaluate(arg, scope)));
  }
}
