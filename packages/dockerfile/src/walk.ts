import type { AstNode, DockerfileAst } from "./ast.ts";

/** An instruction on a walk. */
export interface Visit {
  readonly node: AstNode;
  /** The ONBUILD that `node` is the trigger of. */
  readonly parent?: AstNode;
  /** Number of the stage, from 0; -1 before the first FROM. */
  readonly stage: number;
}

/** All instructions in file order, the triggers of ONBUILD right after it. */
export function* walk(ast: DockerfileAst): Generator<Visit> {
  let stage = -1;
  for (const node of ast.nodes) {
    if (node.keyword.toLowerCase() === "from") stage++;
    yield { node, stage };
    for (let parent = node; parent.trigger !== undefined; parent = parent.trigger) {
      yield { node: parent.trigger, parent, stage };
    }
  }
}
