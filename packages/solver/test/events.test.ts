import { setImmediate as turn } from "node:timers/promises";
import type { BuildEvent, VertexDigest } from "@tsbuild/base";
import { constant, gate, type IntegerVertex, IntegerWorld, integer } from "@tsbuild/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

/** Events as lines, with names for digests. */
function lines(events: readonly BuildEvent[]): readonly string[] {
  const names = new Map<VertexDigest, string>();
  return events.map((event) => {
    if (event.type === "graph") {
      for (const vertex of event.vertices) names.set(vertex.digest, vertex.name);
      return `graph ${event.vertices.map((vertex) => vertex.name).join(" ")}`;
    }
    if (event.type === "vertex-started") return `started ${event.vertex.name}`;
    if ("vertex" in event && event.vertex !== undefined) {
      return `${event.type.replace("vertex-", "")} ${names.get(event.vertex)}`;
    }
    return event.type;
  });
}

const source = constant("source", 3);
const middle = integer("middle", [source]);
const top = integer("top", [middle]);

const eventsOf = async (vertex: IntegerVertex) => lines((await world.solve(vertex)).events);

test("of a first build", async () => {
  expect(await eventsOf(top)).toEqual([
    "graph source middle top",
    "started source",
    "completed source",
    "started middle",
    "completed middle",
    "started top",
    "completed top",
  ]);
});

test("of a cached build show each step as cached, inputs first, though one result is loaded", async () => {
  await world.solve(top);
  expect(await eventsOf(top)).toEqual([
    "graph source middle top",
    "started source",
    "cached source",
    "started middle",
    "cached middle",
    "started top",
    "cached top",
  ]);
});

test("a source without a record is shown as cached when what follows hits", async () => {
  await world.solve(middle);
  const storage = world.storage;
  const records = storage.records.bind(storage);
  const [rootKey] = storage.keysOf("result-1" as never);
  storage.records = (key) => (key === rootKey ? [] : records(key));
  expect(await eventsOf(middle)).toContain("cached source");
});

test("a skipped step that may or may not be cached is not shown", async () => {
  await world.solve(top);
  const storage = world.storage;
  const records = storage.records.bind(storage);
  const [middleKey] = storage.keysOf("result-2" as never);
  storage.records = (key) => (key === middleKey ? [] : records(key));
  expect(await eventsOf(top)).toEqual([
    "graph source middle top",
    "started source",
    "cached source",
    "started top",
    "cached top",
  ]);
});

test("a step at work is not shown as cached when what follows it hits", async () => {
  const base = integer("base");
  const copy = (from: IntegerVertex) =>
    integer("copy", [base, from], { content: { 1: (value) => value % 10 } });
  await world.solve(copy(constant("n", 13)));
  world.forget("base");
  const hold = gate();
  const slow = { ...base, spec: { ...base.spec, wait: hold.wait } };
  // `copy` is found as soon as it has looked at `late`; by then `other` has set `base` to work.
  const late = constant("late", 23, { wait: () => hold.reached });
  const found = integer("copy", [slow, late], copy(late).spec);
  const solving = world.solve(integer("top", [found, integer("other", [slow])]));
  await hold.reached;
  for (let i = 0; i < 20; i++) await turn();
  hold.open();
  const report = await solving;
  expect(report.cached).toEqual({ copy: "content" });
  expect(lines(report.events).filter((line) => line.endsWith(" base"))).toEqual([
    "started base",
    "completed base",
  ]);
});

test("a vertex that speaks before it runs is opened by what it says", async () => {
  const speaks = (name: string, inputs: readonly IntegerVertex[]) =>
    integer(name, inputs, {
      onCacheMap: ({ emit, vertex }) =>
        emit({ type: "log", at: 0, vertex, stream: 1, data: new Uint8Array() }),
    });
  const early = speaks("early", []);
  const late = integer("late", [early]);
  expect(await eventsOf(late)).toEqual([
    "graph early late",
    "started early",
    "log early",
    "completed early",
    "started late",
    "completed late",
  ]);
});

test("what a vertex says after its end is dropped, what concerns no vertex passes", async () => {
  let say: ((event: BuildEvent) => void) | undefined;
  const chatty = integer("chatty", [], {
    wait: async ({ emit }) => {
      say = emit;
    },
  });
  const last = integer("last", [chatty], {
    wait: async () => {
      say?.({ type: "log", at: 0, vertex: chatty.digest, stream: 1, data: new Uint8Array() });
      say?.({ type: "warning", at: 0, message: "general" });
    },
  });
  expect(await eventsOf(last)).toEqual([
    "graph chatty last",
    "started chatty",
    "completed chatty",
    "started last",
    "warning",
    "completed last",
  ]);
});

test("a source that said something and was not needed is closed", async () => {
  const context = constant("context", 1, {
    contentOnly: true,
    onCacheMap: ({ emit, vertex }) => emit({ type: "log", at: 0, vertex, stream: 1, data: new Uint8Array() }),
  });
  // Both are found by what `source` is; `context` counts for nothing.
  const uses = integer("uses", [source]);
  await world.solve(uses);
  const report = lines((await world.solve(integer("top", [uses, context]))).events);
  expect(report.filter((line) => line.endsWith("context") && !line.startsWith("graph"))).toEqual([
    "started context",
    "log context",
    "completed context",
  ]);
});

test("vertices carry their inputs and group", async () => {
  const group = { id: "g", name: "COPY --link" };
  const grouped = integer("grouped", [source, source, middle], { group });
  const { events } = await world.solve(grouped);
  const graph = events[0];
  expect(graph?.type === "graph" && graph.vertices.at(-1)).toEqual({
    digest: grouped.digest,
    name: "grouped",
    inputs: [source.digest, middle.digest],
    group,
  });
});
