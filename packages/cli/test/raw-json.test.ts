import { expect, test } from "vitest";
import { RawJsonPrinter } from "../src/progress/raw-json.ts";
import { digest, on, T0 } from "./events.ts";

/** The SolveStatus of each event, in order. */
function statuses(...events: Parameters<RawJsonPrinter["print"]>[0][]): unknown[] {
  const printer = new RawJsonPrinter();
  const text = events.map((event) => printer.print(event)).join("") + printer.finish();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

const a = digest("a");
const at = (ms: number) => new Date(T0 + ms).toISOString();

test("vertexes: graph, start, and each end, merged by digest (C041)", () => {
  const group = { id: "g", name: "COPY" };
  expect(
    statuses(
      on.begin(),
      on.graph(0, "a"),
      on.start(1, "a", { inputs: [digest("z")], group }),
      on.done(5, "a"),
      on.start(6, "b"),
      on.cached(6, "b"),
      on.start(7, "c"),
      on.failed(8, "c", "exit code 1"),
      on.start(9, "d"),
      on.canceled(10, "d"),
      on.end(11),
    ),
  ).toEqual([
    { vertexes: [{ digest: a, name: "a" }] },
    { vertexes: [{ digest: a, inputs: [digest("z")], name: "a", started: at(1), progressGroup: group }] },
    {
      vertexes: [
        {
          digest: a,
          inputs: [digest("z")],
          name: "a",
          started: at(1),
          completed: at(5),
          progressGroup: group,
        },
      ],
    },
    { vertexes: [{ digest: digest("b"), name: "b", started: at(6) }] },
    { vertexes: [{ digest: digest("b"), name: "b", started: at(6), completed: at(6), cached: true }] },
    { vertexes: [{ digest: digest("c"), name: "c", started: at(7) }] },
    {
      vertexes: [{ digest: digest("c"), name: "c", started: at(7), completed: at(8), error: "exit code 1" }],
    },
    { vertexes: [{ digest: digest("d"), name: "d", started: at(9) }] },
    {
      vertexes: [
        { digest: digest("d"), name: "d", started: at(9), completed: at(10), error: "context canceled" },
      ],
    },
  ]);
});

test("statuses, logs and warnings", () => {
  const [, progress, done, log, warning] = statuses(
    on.start(0, "a"),
    on.status(1, "a", "layer", 10, 100),
    on.status(2, "a", "layer", 100, undefined, true),
    on.log(3, "a", new Uint8Array([0xff, 0x0a]), 2),
    {
      type: "warning",
      at: T0,
      vertex: a,
      rule: "R",
      message: "m",
      detail: ["d"],
      url: "u",
      file: "Dockerfile",
      ranges: [{ start: 3, end: 4 }],
    },
  );
  expect(progress).toEqual({
    statuses: [{ id: "layer", vertex: a, total: 100, current: 10, timestamp: at(1), started: at(1) }],
  });
  expect(done).toEqual({
    statuses: [
      {
        id: "layer",
        vertex: a,
        total: 100,
        current: 100,
        timestamp: at(2),
        started: at(1),
        completed: at(2),
      },
    ],
  });
  expect(log).toEqual({ logs: [{ vertex: a, stream: 2, data: "/wo=", timestamp: at(3) }] });
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  expect(warning).toEqual({
    warnings: [
      {
        vertex: a,
        level: 1,
        short: base64("R: m"),
        detail: [base64("d")],
        url: "u",
        sourceInfo: { filename: "Dockerfile" },
        range: [{ start: { line: 3 }, end: { line: 4 } }],
      },
    ],
  });
});

test("every line of output is one object", () => {
  const printer = new RawJsonPrinter();
  expect(printer.print(on.start(0, "RUN <<EOF\nx\nEOF"))).toMatch(/^\{.*\}\n$/);
});
