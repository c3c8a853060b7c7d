import { TsbuildError } from "@tsbuild/base";
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

/** Gives errors of a word's text the place of the word. */
export function at<T>(reading: Reading, word: Word, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    throw error.with({ source: fail(reading, error.message, undefined, word).source });
  }
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

/** Texts after `# <name> ` in the comments above, by name; the first comment counts (FEATURES D021). */
export function docComments(comments: readonly string[]): ReadonlyMap<string, string> {
  const docs = new Map<string, string>();
  for (const comment of comments) {
    const blank = comment.indexOf(" ");
    const name = comment.slice(0, Math.max(blank, 0));
    if (name !== "" && !docs.has(name)) docs.set(name, comment.slice(blank + 1));
  }
  return docs;
}
