import { image, scratch, uniteGraphs } from "@tsbuild/llb";
import { expect, test } from "vitest";

const AMD = { os: "linux", architecture: "amd64" };
const file = { file: "Dockerfile", language: "Dockerfile", text: "FROM base\nRUN one\n" };

function line(start: number) {
  return { lines: [{ start, end: start }] };
}

/** A platform's graph: a step of its own on a base that all have in common. */
function graphOf(name: string, text = file.text) {
  const shared = image("docker.io/library/base:1", {
    platform: AMD,
    annotations: { name: "FROM base", ...line(1) },
  });
  const own = shared.run({ args: [name], annotations: { name: `RUN ${name}`, ...line(2) } });
  return own.toGraph({ ...file, text });
}

test("one graph stays as it is", () => {
  const graph = graphOf("amd");
  expect(uniteGraphs(graph)).toEqual({ graph, others: [] });
});

test("equal vertices are there once, inputs first, with the places of all", () => {
  const [amd, arm] = [graphOf("amd"), graphOf("arm")];
  const { graph, others } = uniteGraphs(amd, arm, scratch().toGraph(file));
  expect(graph.vertices.map(({ metadata }) => metadata.name)).toEqual(["FROM base", "RUN amd", "RUN arm"]);
  expect(graph.result).toEqual(amd.result);
  expect(others).toEqual([arm.result, null]);
  expect([...(graph.source?.locations.keys() ?? [])].sort()).toEqual(
    graph.vertices.map(({ digest }) => digest).sort(),
  );
  expect(graph).not.toHaveProperty("otherSources");
});

test("another file's places stay its own", () => {
  const { graph } = uniteGraphs(graphOf("amd"), graphOf("arm", "FROM other\n"));
  expect(graph.source?.locations.size).toBe(2);
  expect(graph.otherSources?.map(({ text }) => text)).toEqual(["FROM other\n"]);
});
