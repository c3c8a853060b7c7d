import { formatSourceWindow } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

const text = "FROM a\n\nWORKDIR /x\n\tRUM make\nRUN b\nRUN c\nRUN d\n";

describe("source windows", () => {
  it("mark the lines and the column", () => {
    const location = { file: "Dockerfile", text, ranges: [{ start: 4, end: 4 }], column: 2 };
    expect(formatSourceWindow(location)).toBe(
      [
        "Dockerfile:4:2",
        " 2 |",
        " 3 |     WORKDIR /x",
        " 4 | >>> \tRUM make",
        "   |     \t^",
        " 5 |     RUN b",
        " 6 |     RUN c",
      ].join("\n"),
    );
  });

  it("leave out what is between far ranges and the middle of long ones", () => {
    const lines = Array.from({ length: 100 }, (_, i) => `l${i + 1}`).join("\n");
    const shown = formatSourceWindow({
      file: "D",
      text: lines,
      ranges: [
        { start: 1, end: 1 },
        { start: 50, end: 90 },
      ],
    }).split("\n");
    expect(shown.slice(0, 6)).toEqual([
      "D:1",
      "  1 | >>> l1",
      "  2 |     l2",
      "  3 |     l3",
      "    |     …",
      " 48 |     l48",
    ]);
    expect(shown).toContain(" 90 | >>> l90");
    expect(shown.at(-1)).toBe(" 92 |     l92");
    expect(shown.length).toBeLessThan(40);
  });

  it("are bounded in width", () => {
    const shown = formatSourceWindow({
      file: "D",
      text: "x".repeat(100_000),
      ranges: [{ start: 1, end: 1 }],
    });
    expect(shown.length).toBeLessThan(300);
  });

  it("are empty without a text and for lines that are not there", () => {
    expect(formatSourceWindow({ file: "D", ranges: [{ start: 1, end: 1 }] })).toBe("");
    expect(formatSourceWindow({ file: "D", text: "", ranges: [] })).toBe("");
    expect(formatSourceWindow({ file: "D", text: "a", ranges: [{ start: 9, end: 9 }] })).toBe("");
  });
});
