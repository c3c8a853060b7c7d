import { sha256, TsbuildError } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { buildFrame, type FrameOptions, finalLines } from "../src/progress/frame.ts";
import { paint } from "../src/progress/paint.ts";
import type { BuildState } from "../src/progress/state.ts";
import { asciiMarks, unicodeMarks } from "../src/progress/step-line.ts";
import { displayWidth, expandTabs, fit } from "../src/progress/width.ts";
import { digest, on, stateAfter, T0 } from "./events.ts";

function options(change: Partial<FrameOptions> = {}): FrameOptions {
  return {
    columns: 60,
    rows: 24,
    now: T0 + 12_300,
    logLines: 6,
    marks: unicodeMarks,
    canceling: false,
    ...change,
  };
}

function frameText(state: BuildState, change: Partial<FrameOptions> = {}, retired: string[] = []): string {
  const frame = buildFrame(state, new Set(retired), options(change));
  return frame.lines.map((line) => paint(line, false)).join("\n");
}

const middle = stateAfter(
  on.begin(),
  on.graph(0, "[1/5] FROM debian", "[2/5] RUN make", "[3/5] COPY a b", "[4/5] RUN test", "[5/5] RUN pack"),
  on.start(0, "[1/5] FROM debian"),
  on.cached(0, "[1/5] FROM debian"),
  on.start(100, "[2/5] RUN make"),
  on.done(4300, "[2/5] RUN make", { kind: "input-content", text: "changed: src/a.ts" }),
  on.start(4300, "[3/5] COPY a b"),
  on.status(4400, "[3/5] COPY a b", "sha256:0123456789abcdef0123456789abcdef", 12_300_000, 49_200_000),
  on.status(4400, "[3/5] COPY a b", "files", 5, 5, true),
  on.start(4300, "[4/5] RUN test"),
  on.log(5000, "[4/5] RUN test", Array.from({ length: 9 }, (_, i) => `ok ${i}\n`).join("")),
  on.log(5100, "[4/5] RUN test", "\tnot\x1b[2J yet"),
);

test("a frame (C040)", () => {
  expect(frameText(middle)).toBe(
    `
[+] Building 12.3s (2/5)
 = [1/5] FROM debian                                  cached
 ✓ [2/5] RUN make  (changed: src/a.ts)                  4.2s
 » [3/5] COPY a b                                       8.0s
     sha256:01234567… ━━━━━─────────────── 12.30MB / 49.20MB
 » [4/5] RUN test                                       8.0s
   │ ok 4
   │ ok 5
   │ ok 6
   │ ok 7
   │ ok 8
   │         not yet
 · [5/5] RUN pack`.slice(1),
  );
});

test("without UTF-8 and with few columns", () => {
  expect(frameText(middle, { columns: 36, logLines: 1, marks: asciiMarks })).toBe(
    `
[+] Building 12.3s (2/5)
 = [1/5] FROM debian          cached
 + [2/5] RUN make  (changed:... 4.2s
 > [3/5] COPY a b               8.0s
     sha256:012... 12.30MB / 49.20MB
 > [4/5] RUN test               8.0s
   |         not yet
 . [5/5] RUN pack`.slice(1),
  );
});

describe("room", () => {
  test("no line is wider and no frame as tall as the screen, whatever its size", () => {
    for (let rows = 3; rows < 20; rows++) {
      for (const columns of [20, 40, 100]) {
        const frame = buildFrame(middle, new Set(), options({ rows, columns }));
        expect(frame.lines.length, `${rows} rows`).toBeLessThan(rows);
        for (const line of frame.lines) expect(displayWidth(paint(line, false))).toBeLessThanOrEqual(columns);
      }
    }
  });

  test("ended steps retire, the oldest first, once", () => {
    const names = Array.from({ length: 40 }, (_, index) => `step ${index}`);
    const ended = names.slice(0, 30).flatMap((name, i) => [on.start(i, name), on.done(100 - i, name)]);
    const state = stateAfter(on.begin(), on.graph(0, ...names), ...ended, on.start(200, "step 30"));
    const frame = buildFrame(state, new Set(), options({ rows: 12 }));
    expect(frame.retired.length).toBe(30 + 1 - 10);
    expect(frame.retired[0]!.name).toBe("step 29");
    const next = buildFrame(state, new Set(frame.retired.map((step) => step.key)), options({ rows: 12 }));
    expect(next.retired).toEqual([]);
    expect(next.lines.length).toBe(11);
  });

  test("more running steps than rows: the rest is counted", () => {
    const names = Array.from({ length: 20 }, (_, index) => `step ${index}`);
    const state = stateAfter(on.begin(), ...names.map((name) => on.start(0, name)));
    const lines = frameText(state, { rows: 8 }).split("\n");
    expect(lines.length).toBe(7);
    expect(lines.at(-1)).toBe("   … 15 more");
  });

  test("details are shared between running steps", () => {
    const log = Array.from({ length: 9 }, (_, i) => `line ${i}\n`).join("");
    const state = stateAfter(on.start(0, "a"), on.start(0, "b"), on.log(1, "a", log), on.log(1, "b", log));
    const lines = frameText(state, { rows: 10 }).split("\n");
    expect(lines.filter((line) => line.includes("│")).length).toBe(6);
    expect(lines.slice(1).map((line) => line.trim().slice(0, 1))).toEqual([
      "»",
      "│",
      "│",
      "│",
      "»",
      "│",
      "│",
      "│",
    ]);
  });
});

test("canceling shows at once", () => {
  expect(frameText(middle, { canceling: true })).toContain("[+] Canceling 12.3s (2/5)");
});

test("colours are marks of the status, and only that", () => {
  const frame = buildFrame(middle, new Set(), options());
  const painted = frame.lines.map((line) => paint(line, true));
  expect(painted[0]).toBe("\x1b[1m[+] Building 12.3s (2/5)\x1b[22m");
  expect(painted[2]).toContain("\x1b[32m ✓ \x1b[39m");
});

describe("the end", () => {
  const text = (state: BuildState, outcome: Parameters<typeof finalLines>[2], retired: string[] = []) =>
    finalLines(state, new Set(retired), outcome, options())
      .map((line) => paint(line, false))
      .join("\n");

  test("of a success: each step once, the counts, the image", () => {
    const state = stateAfter(
      on.begin(),
      on.graph(0, "a", "b", "never needed"),
      on.start(0, "a"),
      on.cached(0, "a"),
      on.start(10, "b"),
      on.done(1510, "b", { kind: "arg", text: "ARG V: 1 -> 2" }),
      on.end(1600),
    );
    const result = { imageId: sha256("x"), names: ["app:latest"] };
    expect(text(state, { result })).toBe(
      ` = a                                                  cached
 ✓ b  (ARG V: 1 -> 2)                                   1.5s
[+] Built in 1.6s: 1 cached, 1 rebuilt
    image ${sha256("x")}
    named app:latest`,
    );
    expect(text(state, { result }, [digest("a")])).not.toContain("= a");
  });

  test("of a failure: the output of the step", () => {
    const error = new TsbuildError("TSB_EXEC", "exit code 1", { vertex: digest("RUN a") });
    const state = stateAfter(
      on.begin(),
      on.start(0, "RUN a"),
      on.start(0, "RUN b"),
      on.log(500, "RUN a", "boom\n"),
      on.failed(1000, "RUN a", "exit code 1"),
      on.end(1000, error),
    );
    expect(text(state, { error })).toBe(
      ` ✗ RUN a                                         failed 1.0s
 - RUN b                                      canceled 12.3s
------
 > RUN a:
0.500 boom
------
[+] Failed in 1.0s: 1 failed`,
    );
  });

  test("of a build that never began: nothing", () => {
    const error = new TsbuildError("TSB_DOCKERFILE", "m");
    expect(text(stateAfter(on.begin(), on.end(1, error)), { error })).toBe("");
  });
});

test("widths: wide and combining characters, cut at a column", () => {
  expect([displayWidth("abc"), displayWidth("日本"), displayWidth("e\u0301"), displayWidth("🙂")]).toEqual([
    3, 4, 1, 2,
  ]);
  expect([fit("日本語", 5), fit("日本語", 6), fit("abc", 2), fit("abc", 0)]).toEqual([
    "日本…",
    "日本語",
    "a…",
    "",
  ]);
  expect(expandTabs("a\tb\t\tc")).toBe("a       b               c");
});

test("a step that waits says for which, and an ended one how large its layer is (W016)", () => {
  const vertices = [
    { digest: digest("FROM base"), name: "FROM base", inputs: [] },
    { digest: digest("RUN make"), name: "RUN make", inputs: [digest("FROM base")] },
    { digest: digest("RUN test"), name: "RUN test", inputs: [digest("FROM base")] },
    { digest: digest("COPY out"), name: "COPY out", inputs: [digest("RUN make"), digest("RUN test")] },
  ];
  const state = stateAfter(
    on.begin(),
    { type: "graph", at: T0, vertices },
    on.start(0, "FROM base"),
    on.cached(0, "FROM base"),
    on.start(0, "RUN make", { inputs: [digest("FROM base")] }),
  );
  expect(frameText(state).split("\n").slice(3)).toEqual([" · RUN test", " · COPY out  (after 2 steps)"]);
  const later = [
    on.done(100, "RUN make"),
    on.start(100, "RUN test"),
    on.done(200, "RUN test"),
    on.start(200, "COPY out"),
    on.done(3000, "COPY out"),
    on.end(3000, undefined, { id: "0123abcd", layerBytes: { [digest("COPY out")]: 4_200_000 } }),
  ];
  const ended = stateAfter(
    on.begin(),
    { type: "graph", at: T0, vertices },
    on.start(0, "FROM base"),
    on.cached(0, "FROM base"),
    ...later,
  );
  const lines = finalLines(ended, new Set(), { result: { names: [] } }, options()).map((line) =>
    paint(line, false),
  );
  expect(lines).toContain(" ✓ COPY out                                      4.20MB 2.8s");
  expect(lines.at(-1)).toMatch(/the longest chain: .* of 3\.0s$/);
});
