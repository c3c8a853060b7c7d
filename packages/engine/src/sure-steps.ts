import type { ExecOp, Graph, Op, Vertex } from "@tsbuild/llb";
import { ignoredBy } from "./cache-wishes.ts";
import type { CompleteRequest } from "./complete-request.ts";

type Step = Vertex & { readonly op: Op & { readonly kind: ExecOp } };

function isStep(vertex: Vertex): vertex is Step {
  return vertex.op.kind.type === "exec";
}

/** The steps of a graph that run soon and whatever is known of them: no records of theirs count, and they wait for sources alone. */
export function sureSteps(graph: Graph, request: CompleteRequest): readonly Step["op"][] {
  const sure = graph.vertices.filter(isStep).filter((vertex) => ignoredBy(request, vertex) !== undefined);
  if (sure.length === 0) return [];
  const sources = new Set(
    graph.vertices.filter(({ op }) => op.kind.type === "source").map(({ digest }) => digest),
  );
  return sure.map(({ op }) => op).filter(({ inputs }) => inputs.every(({ digest }) => sources.has(digest)));
}
