import type { TsbuildError } from "@tsbuild/base";
import type { AstNode, DockerfileAst, Heredoc } from "./ast.ts";

/** JSON data. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** An AST as `tsbuild debug dump-ast` prints it: plain data, empty values left out. */
export function dumpAst(ast: DockerfileAst): JsonObject {
  return prune({
    syntax: ast.syntax
      ? {
          ref: ast.syntax.value,
          cmdline: ast.syntax.text,
          lines: lines(ast.syntax.range),
        }
      : null,
    check: ast.check ? { value: ast.check.value, lines: lines(ast.check.range) } : null,
    escape: ast.escape,
    parserWarnings: ast.warnings.map((warning) => ({ short: warning.message, lines: lines(warning.range) })),
    ast: ast.nodes.map((node) => ({ ...dumpNode(node), lines: lines(node.range) })),
  });
}

function dumpNode(node: AstNode): JsonObject {
  const args: Json[] = node.args.map((arg) => arg.text);
  if (node.trigger !== undefined) args.push({ value: "", children: [dumpNode(node.trigger)] });
  return prune({
    value: node.keyword,
    original: node.original,
    flags: node.flags.map((flag) => flag.text),
    attrs: node.form === "json" ? ["json"] : [],
    prevComment: [...node.prevComment],
    heredocs: node.heredocs.map(dumpHeredoc),
    args,
  });
}

function dumpHeredoc({ name, fd, expand, chomp, content }: Heredoc): JsonObject {
  return { name, fd, expand, chomp, content };
}

export function lines(range: { readonly start: number; readonly end: number }): Json {
  return [range.start, range.end];
}

/** Without null and empty arrays. */
export function prune(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== null && !(Array.isArray(item) && item.length === 0)),
  );
}

/** An error as plain data. */
export function dumpError(error: TsbuildError): JsonObject {
  const ranges = error.source?.ranges ?? [];
  return prune({ error: error.message, lines: ranges.map(lines) });
}
