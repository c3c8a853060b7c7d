import { TsbuildError } from "@tsbuild/base";
import { expect, test } from "vitest";
import { exitStatus } from "../src/exit-status.ts";
import { formatError } from "../src/format-error.ts";

const text = "FROM debian\n\nRUN one\nRUN two && \\\n    three\n\tCOPY x y\nCMD z\nEXPOSE 1\nUSER u\n";

test("the place, the sentence, the hint", () => {
  const error = new TsbuildError("TSB_EXEC", 'process "/bin/sh -c two" failed: exit code 1', {
    hint: "read the output above",
    source: { file: "Dockerfile", text, ranges: [{ start: 4, end: 5 }] },
  });
  expect(formatError(error)).toBe(`Dockerfile:4
--------------------
   1 |     FROM debian
   2 |
   3 |     RUN one
   4 | >>> RUN two && \\
   5 | >>>     three
   6 |         COPY x y
   7 |     CMD z
   8 |     EXPOSE 1
--------------------
ERROR: process "/bin/sh -c two" failed: exit code 1
hint: read the output above
`);
});

test("a column is pointed at, through tabs", () => {
  const source = { file: "Dockerfile", text, ranges: [{ start: 6, end: 6 }], column: 7 };
  const lines = formatError(new TsbuildError("TSB_CONTEXT", '"x" not found', { source })).split("\n");
  const pointed = lines.findIndex((line) => line.endsWith("^"));
  expect(lines[pointed - 1]).toBe("   6 | >>>     COPY x y");
  expect(lines[pointed]!.indexOf("^")).toBe(lines[pointed - 1]!.indexOf("x"));
});

test("several ranges, the first and the last line", () => {
  const ranges = [
    { start: 1, end: 1 },
    { start: 3, end: 3 },
  ];
  const window = formatError(
    new TsbuildError("TSB_DOCKERFILE", "m", { source: { file: "D", text, ranges } }),
  );
  expect(window.match(/>>>.*/g)).toEqual([">>> FROM debian", ">>> RUN one"]);
  const last = { file: "D", text, ranges: [{ start: 9, end: 9 }] };
  expect(formatError(new TsbuildError("TSB_DOCKERFILE", "m", { source: last }))).toContain(
    "   9 | >>> USER u\n---",
  );
});

test("a long here-document is cut", () => {
  const long = Array.from({ length: 1000 }, (_, index) => `line ${index + 1}`).join("\n");
  const source = { file: "D", text: long, ranges: [{ start: 10, end: 900 }] };
  const lines = formatError(new TsbuildError("TSB_EXEC", "m", { source })).split("\n");
  expect(lines.length).toBeLessThan(35);
  expect(lines.some((line) => line.includes("… 870 more lines"))).toBe(true);
});

test("without a text, the place alone; without lines, the file", () => {
  const at = (ranges: { start: number; end: number }[]) =>
    formatError(new TsbuildError("TSB_DOCKERFILE", "m", { source: { file: "a/Dockerfile", ranges } }));
  expect(at([{ start: 7, end: 7 }])).toBe("a/Dockerfile:7\nERROR: m\n");
  expect(at([])).toBe("a/Dockerfile\nERROR: m\n");
});

test("messages cannot drive the terminal", () => {
  const source = { file: "D\x1b[2J", text: "RUN \x1b]0;x\x07y", ranges: [{ start: 1, end: 1 }] };
  const shown = formatError(
    new TsbuildError("TSB_RESOLVE", "no \x1b[31mmanifest", { source, hint: "\x1b[1A" }),
  );
  expect(shown).not.toContain("\x1b");
});

test("colour only when asked for", () => {
  expect(formatError(new TsbuildError("TSB_EXEC", "m"), { color: true })).toBe("\x1b[31mERROR:\x1b[0m m\n");
});

test("causes and codes with --debug", () => {
  const root = new Error("ECONNREFUSED");
  const error = new TsbuildError("TSB_RESOLVE", "cannot resolve debian", { cause: root });
  const shown = formatError(error, { debug: true });
  expect(shown).toMatch(
    /ERROR: cannot resolve debian\n\n\[TSB_RESOLVE\] TsbuildError: cannot resolve debian\n {4}at /,
  );
  expect(shown).toMatch(/\n\ncaused by: Error: ECONNREFUSED\n {4}at /);
  expect(formatError(error)).toBe("ERROR: cannot resolve debian\n");
});

test("causes that go in a circle end", () => {
  const error = new Error("a");
  error.cause = error;
  expect(formatError(error, { debug: true }).match(/Error: a\n/g)?.length).toBe(1);
});

test("what is no TsbuildError is a bug, and says so", () => {
  expect(formatError(new TypeError("x is not a function"))).toBe(
    "ERROR: internal error: TypeError: x is not a function (--debug shows where; please report it)\n",
  );
});

test("exit statuses (C045)", () => {
  const status = (code: ConstructorParameters<typeof TsbuildError>[0]) =>
    exitStatus(new TsbuildError(code, "m"));
  expect([status("TSB_EXEC"), status("TSB_USAGE"), status("TSB_OOM"), status("TSB_CANCELED")]).toEqual([
    1, 2, 102, 130,
  ]);
  expect(status("TSB_INTERNAL")).toBe(100);
  expect(exitStatus(new Error("x"))).toBe(100);
});

test("errors found together, in the order of the file; not too many", () => {
  const at = (line: number, related: TsbuildError[] = []) =>
    new TsbuildError("TSB_DOCKERFILE", `wrong ${line}`, {
      source: { file: "D", ranges: [{ start: line, end: line }] },
      hint: `try ${line}`,
      related,
    });
  expect(formatError(at(5, [at(9), at(2)]))).toBe(
    "D:2\nERROR: wrong 2\nhint: try 2\n\nD:5\nERROR: wrong 5\nhint: try 5\n\nD:9\nERROR: wrong 9\nhint: try 9\n",
  );
  const many = Array.from({ length: 30 }, (_, index) => at(index + 2));
  const shown = formatError(at(1, many));
  expect(shown.match(/ERROR/g)).toHaveLength(10);
  expect(shown).toMatch(/… and 21 more errors\n$/);
});

test("an error keeps those found with it when details are added", () => {
  const inner = new TsbuildError("TSB_DOCKERFILE", "a", { related: [new TsbuildError("TSB_USAGE", "b")] });
  expect(inner.with({ hint: "h" }).related.map(({ message }) => message)).toEqual(["b"]);
  expect(new TsbuildError("TSB_USAGE", "a").with({ related: [inner] }).related).toEqual([inner]);
});

test("of an empty file only its name is shown", () => {
  const source = { file: "Dockerfile", text: "", ranges: [{ start: 0, end: 0 }] };
  expect(formatError(new TsbuildError("TSB_DOCKERFILE", "nothing in it", { source }))).toBe(
    "Dockerfile\nERROR: nothing in it\n",
  );
});
