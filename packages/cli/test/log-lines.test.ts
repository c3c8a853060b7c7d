import { expect, test } from "vitest";
import { lineText, NO_BYTES, partialText, splitLog } from "../src/progress/log-lines.ts";
import { safeLine, safeName, safeText } from "../src/sanitize.ts";

/** The lines of chunks, then the rest. */
function split(...chunks: (string | number[])[]): [string[], string] {
  let rest: Uint8Array = NO_BYTES;
  const lines: string[] = [];
  for (const chunk of chunks) {
    const step = splitLog(rest, typeof chunk === "string" ? Buffer.from(chunk) : Uint8Array.from(chunk));
    lines.push(...step.lines);
    rest = step.rest;
  }
  return [lines, partialText(rest)];
}

test("lines over chunk borders", () => {
  expect(split("a\nb", "c\n", "\nd")).toEqual([["a", "bc", ""], "d"]);
});

test("a character cut between chunks stays whole, and is not shown half", () => {
  const [first, second, third] = Buffer.from("€");
  expect(split([0x78, first!, second!], [third!, 0x0a])).toEqual([["x€"], ""]);
  expect(split([0x78, first!, second!])).toEqual([[], "x"]);
});

test("invalid UTF-8 is replaced", () => {
  expect(split([0x61, 0xff, 0xfe, 0x62, 0x0a])).toEqual([["a\ufffd\ufffdb"], ""]);
});

test("carriage returns rewrite a line; CRLF is a line break", () => {
  expect(split("10%\r20%\r100%\r\nnext\r\n")).toEqual([["100%", "next"], ""]);
  expect(split("10%\r20%\r")).toEqual([[], "20%"]);
  expect(lineText(Buffer.from("abc\r"))).toBe("abc");
});

test("a line that never ends is cut between characters", () => {
  const [lines, rest] = split("é".repeat(20_000));
  expect(lines.length).toBe(2);
  expect(lines.join("") + rest).toBe("é".repeat(20_000));
});

test("the rest is a copy: the producer's buffer may change", () => {
  const buffer = Buffer.from("abc");
  const { rest } = splitLog(NO_BYTES, buffer);
  buffer.fill(0x7a);
  expect(partialText(rest)).toBe("abc");
});

test.each([
  ["cursor and erasure", "a\x1b[2J\x1b[1;1Hb", "ab"],
  ["title by OSC and BEL", "a\x1b]0;evil\x07b", "ab"],
  ["hyperlink by OSC and ST", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"],
  ["device control string", "a\x1bPq#0;2\x1b\\b", "ab"],
  ["unfinished control string", "a\x1b]52;c;ZXZpbA==", "a"],
  ["8-bit CSI", "a\x9b31mb", "ab"],
  ["charset and reset", "a\x1b(0b\x1bcc", "abc"],
  ["bell, backspace, NUL, DEL", "a\x07\x08\x00\x7fb", "ab"],
  ["an escape at the end", "a\x1b", "a"],
  ["colours", "\x1b[1;31mred\x1b[0m", "red"],
  ["tab stays", "a\tb", "a\tb"],
])("%s does not reach a terminal", (_name, raw, safe) => {
  expect(safeLine(raw)).toBe(safe);
  expect(safeLine(raw)).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
});

test("kept colours are closed at the end of the line, the rest goes all the same", () => {
  expect(safeLine("\x1b[31mred\x1b[2J", true)).toBe("\x1b[31mred\x1b[0m");
  expect(safeLine("plain\x1b[3A", true)).toBe("plain");
});

test("names are one line, texts keep theirs", () => {
  expect(safeName("RUN <<EOF\n  a\n\tb\nEOF")).toBe("RUN <<EOF a b EOF");
  expect(safeText("a\x1b[2J\nb")).toBe("a\nb");
});
