import { describe, expect, test } from "vitest";
import {
  type BuildState,
  initialState,
  isEnded,
  LOG_TAIL_LINES,
  reduceBuild,
  stepOf,
} from "../src/progress/state.ts";
import { digest, on, stateAfter, T0, vertex } from "./events.ts";

describe("steps", () => {
  test("are numbered in order of start, and listed in order of first mention", () => {
    const state = stateAfter(
      on.begin(),
      on.graph(0, "a", "b"),
      on.start(1, "b"),
      on.start(2, "a"),
      on.start(3, "c"),
    );
    expect([...state.steps].map((step) => [step.name, step.number])).toEqual([
      ["a", 2],
      ["b", 1],
      ["c", 3],
    ]);
  });

  test("go from waiting over running to their end", () => {
    const events = [on.graph(0, "a"), on.start(5, "a"), on.done(9, "a", { kind: "base", text: "new base" })];
    const seen = events.map((_, index) => stateAfter(...events.slice(0, index + 1)).steps.at(0)!);
    expect(seen.map((step) => step.status)).toEqual(["waiting", "running", "rebuilt"]);
    expect(seen[2]).toMatchObject({ startedAt: T0 + 5, endedAt: T0 + 9, reason: { text: "new base" } });
  });

  test.each([
    ["cached", on.cached(1, "a")],
    ["failed", on.failed(1, "a", "boom")],
    ["canceled", on.canceled(1, "a")],
  ])("%s", (status, event) => {
    const step = stateAfter(on.start(0, "a"), event).steps.at(0)!;
    expect([step.status, isEnded(step)]).toEqual([status, true]);
  });

  test("the reducer changes nothing that it was given", () => {
    const before = stateAfter(on.graph(0, "a", "b"), on.start(1, "a"));
    const kept = (state: BuildState) => structuredClone([{ ...state, steps: [...state.steps] }]);
    const copy = kept(before);
    for (const event of [
      on.log(2, "a", "x\n"),
      on.status(2, "a", "t", 1),
      on.done(3, "a"),
      on.start(4, "z"),
      on.end(5),
    ]) {
      reduceBuild(before, event);
    }
    expect(kept(before)).toEqual(copy);
    expect(initialState.steps).toHaveLength(0);
  });

  test("thousands, each in its own place", () => {
    const names = Array.from({ length: 1000 }, (_, i) => `step ${i}`);
    const state = stateAfter(
      on.graph(0, ...names),
      ...names.flatMap((name, i) => (i % 3 === 0 ? [on.start(i, name), on.done(i, name)] : [])),
    );
    expect([...state.steps].map(({ name }) => name)).toEqual(names);
    expect(state.steps.filter(isEnded).map(({ name }) => name)).toEqual(names.filter((_, i) => i % 3 === 0));
    expect([state.steps.length, state.steps.at(999)?.name, state.steps.at(1000)]).toEqual([
      1000,
      "step 999",
      undefined,
    ]);
    expect(state.steps.find(({ name }) => name === "step 500")?.status).toBe("waiting");
  });
});

describe("a progress group is one step", () => {
  const group = { id: "g", name: "[2/3] COPY --link a b" };
  const copy = { group };
  const merge = { group, inputs: [digest("copy")] };

  test("from its first vertex to its last", () => {
    const events = [
      on.start(1, "copy", copy),
      on.start(2, "merge", merge),
      on.done(3, "copy"),
      on.done(7, "merge"),
    ];
    const state = stateAfter(...events);
    expect(state.steps.length).toBe(1);
    expect(state.steps.at(0)).toMatchObject({
      name: group.name,
      number: 1,
      status: "rebuilt",
      startedAt: T0 + 1,
      endedAt: T0 + 7,
    });
    expect(stateAfter(...events.slice(0, 3)).steps.at(0)!.status).toBe("running");
  });

  test("is cached when its last vertex is: the ones before it never run", () => {
    const vertices = [vertex("copy", copy), vertex("merge", merge)];
    const graph = { type: "graph", at: T0, vertices } as const;
    const state = stateAfter(graph, on.start(1, "merge", merge), on.cached(1, "merge"));
    expect([...state.steps].map((step) => step.status)).toEqual(["cached"]);
  });

  test("stays at work between two of its vertices", () => {
    const state = stateAfter(on.start(0, "copy", copy), on.start(0, "merge", merge), on.done(1, "merge"));
    expect(state.steps.at(0)!.status).toBe("running");
  });

  test("fails with one of them", () => {
    const state = stateAfter(on.start(0, "copy", copy), on.failed(1, "copy", "no such file"));
    expect(state.steps.at(0)).toMatchObject({ status: "failed", error: { message: "no such file" } });
  });
});

describe("output", () => {
  test("the last lines are kept, both streams apart", () => {
    const state = stateAfter(
      on.start(0, "a"),
      on.log(10, "a", "out "),
      on.log(20, "a", "err\n", 2),
      on.log(30, "a", "more\n"),
    );
    expect(stepOf(state, digest("a"))!.log.lines).toEqual([
      { sinceMs: 20, text: "err" },
      { sinceMs: 30, text: "out more" },
    ]);
  });

  test("memory does not grow with it", () => {
    const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}\n`).join("");
    const log = stateAfter(on.start(0, "a"), on.log(1, "a", lines), on.log(2, "a", lines)).steps.at(0)!.log;
    expect(log.lines.length).toBe(LOG_TAIL_LINES);
    expect(log.lines.at(-1)!.text).toBe("line 999");
  });
});

test("transfers: later values win, the total is remembered, the step's end ends them", () => {
  const state = stateAfter(
    on.start(0, "a"),
    on.status(1, "a", "layer", 0, 100),
    on.status(2, "a", "layer", 40),
    on.status(3, "a", "other", 5, 5, true),
  );
  expect(state.steps.at(0)!.transfers).toMatchObject([
    { id: "layer", current: 40, total: 100, startedAt: T0 + 1, endedAt: undefined },
    { id: "other", current: 5, endedAt: T0 + 3 },
  ]);
  const ended = reduceBuild(state, on.done(9, "a")).steps.at(0)!;
  expect(ended.transfers.map((transfer) => transfer.endedAt)).toEqual([T0 + 9, T0 + 3]);
});

test("events of a vertex that never started are not shown", () => {
  expect(stateAfter(on.log(0, "ghost", "boo\n"), on.done(1, "ghost")).steps).toHaveLength(0);
});
