import type { TsbuildError } from "@tsbuild/base";
import type { AstNode, Word } from "../ast.ts";
import { dockerfileError, type SourceText } from "../error.ts";
import type { InstructionBase } from "../instruction.ts";
import { trimSpace } from "../space.ts";

/** A node on its way to an instruction. */
export interface Reading {
  readonly node: AstNode;
  readonly source: SourceText;
}

/** An error at the node, at `word` of it when that is known. */
export function fail({ node, source }: Reading, message: string, hint?: string, word?: Word): TsbuildError {
  const place = {
    range: node.range,
    line: word?.line ?? node.range.start,
    column: word?.column ?? node.column,
  };
  return dockerfileError(source, place, message, hint);
}

/** The fields that all instructions share. */
export function base<K extends string>({ node }: Reading, kind: K): InstructionBase<K> {
  return {
    kind,
    name: node.keyword,
    source: trimSpace(node.original),
    range: node.range,
    comments: node.prevComment,
    node,
  };
}

/** Keyword in upper case, for messages. */
export function keywordOf({ node }: Reading): string {
  return node.keyword.toUpperCase();
}

/** The arguments, of which there must be some. */
export function someArgs(reading: Reading, example: string): readonly Word[] {
  if (reading.node.args.length > 0) return reading.node.args;
  throw fail(reading, `${keywordOf(reading)} needs an argument`, `for example: ${example}`);
}

/** The text of an instruction that takes the rest of the line. */
export function oneArg(reading: Reading, example: string): string {
  return someArgs(reading, example)[0]!.text;
}

/** Text after `# <name> ` in the comments above (FEATURES D021). */
export function docComment(comments: readonly string[], name: string): string | undefined {
  if (name === "") return undefined;
  return comments.find((comment) => comment.startsWith(`${name} `))?.slice(name.length + 1) || undefined;
}
