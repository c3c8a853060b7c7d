import type { AstNode, DockerfileAst, Heredoc, Word } from "../ast.ts";
import { trimSpace } from "../space.ts";

/** True when both nodes mean the same: places and the writing of keywords aside. */
export function sameNode(a: AstNode, b: AstNode): boolean {
  return (
    a.keyword.toUpperCase() === b.keyword.toUpperCase() &&
    a.form === b.form &&
    sameList(a.flags, b.flags, sameText) &&
    sameList(
      a.args,
      b.args,
      (one, other, index) => sameText(one, other) || isKeywordAt(a, index, one, other),
    ) &&
    sameList(a.heredocs, b.heredocs, sameHeredoc) &&
    sameTrigger(a.trigger, b.trigger)
  );
}

/** True when both files mean the same. What comments say counts as well, as some describe the next instruction. */
export function sameMeaning(a: DockerfileAst, b: DockerfileAst): boolean {
  return (
    a.escape === b.escape &&
    a.syntax?.text === b.syntax?.text &&
    a.check?.text === b.check?.text &&
    sameList(a.nodes, b.nodes, (one, other) => sameNode(one, other) && sameComments(one, other))
  );
}

function sameList<T>(
  a: readonly T[],
  b: readonly T[],
  same: (one: T, other: T, index: number) => boolean,
): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index]!, index));
}

function sameText(a: Word, b: Word): boolean {
  return a.text === b.text;
}

/** The words that are written in upper case: AS, and CMD and NONE of HEALTHCHECK. */
function isKeywordAt(node: AstNode, index: number, a: Word, b: Word): boolean {
  const keyword = node.keyword.toUpperCase();
  const isKeyword = (keyword === "FROM" && index === 1) || (keyword === "HEALTHCHECK" && index === 0);
  return isKeyword && a.text.toUpperCase() === b.text.toUpperCase();
}

function sameHeredoc(a: Heredoc, b: Heredoc): boolean {
  const isSameKind = a.name === b.name && a.fd === b.fd && a.expand === b.expand && a.chomp === b.chomp;
  return isSameKind && a.content === b.content;
}

/** The text of a trigger is stored in the image, so every character of it counts. */
function sameTrigger(a: AstNode | undefined, b: AstNode | undefined): boolean {
  return a?.original === b?.original && a?.keyword === b?.keyword;
}

/** An indented comment counts from its second character, so it may begin with another `#`. */
function sameComments(a: AstNode, b: AstNode): boolean {
  const plain = (comment: string): string => trimSpace(comment.replace(/^[# \t]+/, ""));
  const texts = (node: AstNode): string[] => node.prevComment.map(plain).filter((text) => text !== "");
  return texts(a).join("\n") === texts(b).join("\n");
}
