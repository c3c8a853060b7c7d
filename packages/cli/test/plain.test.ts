import { sha256, TsbuildError } from "@tsbuild/base";
import { expect, test } from "vitest";
import { PlainPrinter } from "../src/progress/plain.ts";
import { SilentPrinter } from "../src/progress/printer.ts";
import { digest, on, printed, T0 } from "./events.ts";

const plain = (colors = false) => new PlainPrinter({ colors });

test("a build with a cached, a rebuilt and a new step (C039)", () => {
  const text = printed(
    plain(),
    [
      on.begin(),
      on.graph(0, "[1/3] FROM debian", "[2/3] RUN make", "[3/3] COPY a b"),
      on.start(0, "[1/3] FROM debian"),
      on.cached(0, "[1/3] FROM debian"),
      on.start(10, "[2/3] RUN make"),
      on.log(133, "[2/3] RUN make", "compiling\nlinking\n"),
      on.log(12_510, "[2/3] RUN make", "warning: x\n", 2),
      on.done(14_010, "[2/3] RUN make", { kind: "input-content", text: "changed: src/a.ts" }),
      on.start(14_020, "[3/3] COPY a b"),
      on.done(14_100, "[3/3] COPY a b", { kind: "first-build", text: "first build" }),
      on.end(14_200),
    ],
    { result: { imageId: sha256("x"), names: ["docker.io/library/app:latest"] } },
  );
  expect(text).toBe(`#1 [1/3] FROM debian
#1 CACHED

#2 [2/3] RUN make
#2 0.123 compiling
#2 0.123 linking
#2 12.50 warning: x
#2 (rebuilt: changed: src/a.ts)
#2 DONE 14.0s

#3 [3/3] COPY a b
#3 DONE 0.1s

  STEP               STATUS    TIME  WHY
  [1/3] FROM debian  cached
  [2/3] RUN make     rebuilt  14.0s  changed: src/a.ts
  [3/3] COPY a b     rebuilt   0.1s

built in 14.2s: 1 cached, 2 rebuilt
image ${sha256("x")}
named docker.io/library/app:latest
`);
});

test("a failure: siblings are canceled, the last lines come again", () => {
  const error = new TsbuildError("TSB_EXEC", "exit code 2", { vertex: digest("RUN b") });
  const lines = Array.from({ length: 25 }, (_, index) => `line ${index}`);
  const text = printed(
    plain(),
    [
      on.begin(),
      on.start(0, "RUN a"),
      on.start(0, "RUN b"),
      on.log(500, "RUN b", `${lines.join("\n")}\nhalf`),
      on.failed(1000, "RUN b", "exit code 2"),
      on.canceled(1001, "RUN a"),
      on.end(1002, error, { id: "0123abcd", failedStep: 2 }),
    ],
    { error },
  );
  expect(text).toBe(`#1 RUN a
#1 ...

#2 RUN b
${lines.map((line) => `#2 0.500 ${line}`).join("\n")}
#2 1.000 half
#2 ERROR: exit code 2

#1 RUN a
#1 CANCELED

  STEP   STATUS    TIME
  RUN a  canceled  1.0s
  RUN b  failed    1.0s

------
 > RUN b:
${lines
  .slice(6)
  .map((line) => `0.500 ${line}`)
  .join("\n")}
1.000 half
------
all of it: tsbuild logs 0123abcd 2
failed in 1.0s: 1 failed, 1 canceled
`);
});

test("output of parallel steps comes in blocks, and each gets the floor in turn", () => {
  const printer = plain();
  const events = [
    on.begin(),
    on.start(0, "RUN a"),
    on.start(0, "RUN b"),
    on.log(100, "RUN a", "a1\n"),
    on.log(200, "RUN b", "b1\n"),
    on.log(300, "RUN a", "a2\n"),
    on.log(1200, "RUN b", "b2\n"),
    on.log(1300, "RUN a", "a3\n"),
    on.done(1400, "RUN b"),
    on.done(1500, "RUN a"),
    on.end(1500),
  ];
  expect(printed(printer, events, { result: { names: [] } })).toBe(`#1 RUN a
#1 0.100 a1
#1 0.300 a2
#1 ...

#2 RUN b
#2 0.200 b1
#2 1.200 b2
#2 DONE 1.4s

#1 RUN a
#1 1.300 a3
#1 DONE 1.5s

  STEP   STATUS   TIME
  RUN a  rebuilt  1.5s
  RUN b  rebuilt  1.4s

built in 1.5s: 2 rebuilt
`);
});

test("a noisy step loses the floor after five seconds", () => {
  const printer = plain();
  printer.print(on.start(0, "RUN a"));
  printer.print(on.start(0, "RUN b"));
  printer.print(on.log(10, "RUN b", "b1\n"));
  let text = "";
  for (let at = 100; at < 6000; at += 100) text += printer.print(on.log(at, "RUN a", ".\n"));
  expect(text.match(/^#1 \.\.\.$/gm)?.length).toBe(1);
  expect(text.indexOf("#1 5.000 .")).toBeLessThan(text.indexOf("#2 0.010 b1"));
});

test("a step that waits is shown by the clock alone", () => {
  const printer = plain();
  printer.print(on.start(0, "RUN sleep 1000"));
  expect(printer.print(on.start(10, "RUN b"))).toBe("");
  expect(printer.tick(T0 + 900)).toBe("");
  expect(printer.tick(T0 + 1100)).toBe("#1 ...\n\n#2 RUN b\n");
});

test("transfers: the quick ones once, the slow ones every five seconds", () => {
  const events = [
    on.begin(),
    on.start(0, "pull"),
    on.status(0, "pull", "sha256:aa", 0, 2_000_000),
    on.status(100, "pull", "sha256:aa", 2_000_000, 2_000_000, true),
    on.status(100, "pull", "sha256:bb", 0, 1_500_000_000),
    ...Array.from({ length: 110 }, (_, i) =>
      on.status(200 + i * 100, "pull", "sha256:bb", (i + 1) * 10_000_000),
    ),
    on.status(11_300, "pull", "sha256:bb", 1_500_000_000, undefined, true),
    on.status(11_300, "pull", "extract", 0),
    on.status(11_800, "pull", "extract", 0, undefined, true),
    on.done(11_900, "pull"),
    on.end(11_900),
  ];
  expect(printed(plain(), events, { result: { names: [] } })).toBe(
    `#1 pull
#1 sha256:aa 2.00MB / 2.00MB 0.1s done
#1 sha256:bb 500.0MB / 1.50GB
#1 sha256:bb 1.00GB / 1.50GB
#1 sha256:bb 1.50GB / 1.50GB 11.2s done
#1 extract 0.5s done
#1 DONE 11.9s

built in 11.9s: 1 rebuilt
`,
  );
});

test("a progress bar of carriage returns shows now and then, and its last state", () => {
  const printer = plain();
  printer.print(on.start(0, "RUN curl"));
  let text = "";
  for (let at = 100; at <= 6000; at += 100) text += printer.print(on.log(at, "RUN curl", `${at / 100}%\r`));
  expect(text).toBe("#1 5.100 51%\n");
  expect(printer.print(on.log(6100, "RUN curl", "100%\n"))).toBe("#1 6.100 100%\n");
});

test("logs cannot drive the terminal; colours only where wanted", () => {
  const events = [
    on.begin(),
    on.start(0, "RUN \x1b[2Jx"),
    on.log(0, "RUN \x1b[2Jx", "\x1b[31mred\x1b[0m\x1b]0;t\x07\x1b[H\n"),
  ];
  const outcome = { result: { names: [] } };
  expect(printed(plain(), events, outcome)).toContain("#1 RUN x\n#1 0.000 red\n");
  expect(printed(plain(true), events, outcome)).toContain("#1 0.000 \x1b[31mred\x1b[0m\x1b[0m\n");
});

test("steps that nobody ended are canceled at the end, and warnings are listed", () => {
  const warning = {
    type: "warning",
    at: T0,
    message: "use JSON",
    rule: "JSONArgs",
    url: "https://example.org/JSONArgs",
    file: "Dockerfile",
    ranges: [{ start: 3, end: 3 }],
  } as const;
  const error = new TsbuildError("TSB_CANCELED", "canceled");
  const text = printed(plain(), [on.begin(), on.start(0, "RUN a"), warning, on.end(2000, error)], { error });
  expect(text).toBe(`#1 RUN a
#1 CANCELED

1 warning:
 - JSONArgs: use JSON (Dockerfile:3)
   https://example.org/JSONArgs
canceled in 2.0s
`);
});

test("a failure before the first step says nothing of steps", () => {
  const error = new TsbuildError("TSB_DOCKERFILE", "unknown instruction");
  expect(printed(plain(), [on.begin(), on.end(1, error)], { error })).toBe("");
});

test("quiet and none: only the output of what failed", () => {
  const error = new TsbuildError("TSB_EXEC", "exit code 1", { vertex: digest("RUN a") });
  const events = [on.begin(), on.start(0, "RUN a"), on.log(1, "RUN a", "boom\n")];
  expect(printed(new SilentPrinter(), [...events, on.failed(2, "RUN a", "x")], { error })).toBe(
    "------\n > RUN a:\n0.001 boom\n------\n",
  );
  expect(printed(new SilentPrinter(), [...events, on.done(2, "RUN a")], { result: { names: [] } })).toBe("");
});

test("the table: sizes, the chain that the time is made of, many cached steps as one line", () => {
  const names = Array.from({ length: 45 }, (_, i) => `RUN ${i}`);
  const inputs = (name: string) => [digest(name)];
  const text = printed(
    plain(),
    [
      on.begin(),
      ...names.flatMap((name) => [on.start(0, name), on.cached(0, name)]),
      on.start(0, "FROM slow"),
      on.done(4000, "FROM slow"),
      on.start(0, "RUN apart"),
      on.done(5000, "RUN apart"),
      on.start(4000, "COPY found", { inputs: inputs("FROM slow") }),
      on.cached(4000, "COPY found"),
      on.start(4000, "RUN last", { inputs: inputs("COPY found") }),
      on.done(7000, "RUN last", { kind: "never-built", text: "never built here" }),
      on.end(7500, undefined, { id: "0123abcd", layerBytes: { [digest("RUN last")]: 4_200_000 } }),
    ],
    { result: { names: [] } },
  );
  expect(text.slice(text.indexOf("  STEP"))).toBe(`  STEP       STATUS   TIME    SIZE  WHY
* FROM slow  rebuilt  4.0s
  RUN apart  rebuilt  5.0s
* RUN last   rebuilt  3.0s  4.20MB  never built here
  and 46 more that were cached
* the longest chain: 7.0s of 7.5s

built in 7.5s: 46 cached, 3 rebuilt
`);
});

test("in GitHub's log a step's lines are a group, and what ends the build stands outside", () => {
  const error = new TsbuildError("TSB_EXEC", "exit code 2", { vertex: digest("RUN b") });
  const text = printed(
    new PlainPrinter({ colors: false, groups: true }),
    [
      on.begin(),
      on.start(0, "RUN a"),
      on.log(100, "RUN a", "::error::no command of ours\n"),
      on.done(200, "RUN a"),
      on.start(200, "RUN b"),
      on.log(300, "RUN b", "b1\n"),
      on.failed(400, "RUN b", "exit code 2"),
      on.end(500, error),
    ],
    { error },
  );
  expect(text).toBe(`::group::#1 RUN a
#1 0.100 ::error::no command of ours
#1 DONE 0.2s
::endgroup::

::group::#2 RUN b
#2 0.100 b1
#2 ERROR: exit code 2
::endgroup::

  STEP   STATUS   TIME
  RUN a  rebuilt  0.2s
  RUN b  failed   0.2s

------
 > RUN b:
0.100 b1
------
failed in 500ms: 1 rebuilt, 1 failed
`);
});
