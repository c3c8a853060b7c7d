import type { VertexDigest } from "@tsbuild/base";
import type { Graph, Vertex } from "@tsbuild/llb";
import { expect, it } from "vitest";
import type { CompleteRequest } from "../src/complete-request.ts";
import { sureSteps } from "../src/sure-steps.ts";

function vertex(name: string, type: string, inputs: readonly string[] = [], ignoreCache = true): Vertex {
  return {
    digest: name as VertexDigest,
    metadata: { name, ignoreCache },
    op: { inputs: inputs.map((digest) => ({ digest, index: 0 })), kind: { type } },
  } as unknown as Vertex;
}

function sure(vertices: readonly Vertex[], noCache = true): unknown {
  const steps = sureSteps({ vertices } as unknown as Graph, { noCache } as unknown as CompleteRequest);
  return vertices.filter(({ op }) => steps.some((step) => step === op)).map(({ digest }) => digest);
}

it("steps whose records do not count, and that wait for sources alone", () => {
  const graph = [
    vertex("base", "source"),
    vertex("first", "exec", ["base"]),
    vertex("on nothing", "exec"),
    vertex("second", "exec", ["first"]),
    vertex("copy", "file", ["base"]),
    vertex("behind a copy", "exec", ["base", "copy"]),
    vertex("may be known", "exec", ["base"], false),
  ];
  expect(sure(graph)).toEqual(["first", "on nothing"]);
  expect(sure(graph.slice(-1))).toEqual([]);
});
