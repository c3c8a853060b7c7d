import { describe, expect, test } from "vitest";
import { SecretMask } from "../src/grants/mask.ts";

function maskOf(...values: readonly string[]): SecretMask {
  return new SecretMask(values.map((value) => ({ value: Buffer.from(value), invalidate: false })));
}

/** What comes out of a stream that gets the text in these pieces. */
function streamed(mask: SecretMask, ...pieces: readonly string[]): string[] {
  const out: string[] = [];
  const stream = mask.stream((chunk) => out.push(Buffer.from(chunk).toString()));
  for (const piece of pieces) stream.write(Buffer.from(piece));
  stream.end();
  return out;
}

describe("secrets in output (W011)", () => {
  test("every place that a text of several lines can be cut at", () => {
    const text = "before hunter22 after hunter22hunter22 hunter2 end";
    const hidden = "before **** after ******** hunter2 end";
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        expect(streamed(maskOf("hunter22"), ...pieces).join("")).toBe(hidden);
      }
    }
  });
  test("only what may begin a secret is held back, and no longer than needed", () => {
    expect(streamed(maskOf("hunter22"), "line\n", "hunt", "ing\n")).toEqual(["line\n", "hunting\n"]);
    expect(streamed(maskOf("hunter22"), "the end: hunter2")).toEqual(["the end: ", "hunter2"]);
  });
  test("lines of a value, without white space around them; short ones stay", () => {
    const mask = maskOf("-----BEGIN-----\r\nc2VjcmV0\nabc\n");
    expect(mask.text("c2VjcmV0 abc -----BEGIN-----")).toBe("**** abc ****");
    expect(maskOf("abc", "1").isEmpty).toBe(true);
  });
  test("the longer of two that begin alike", () => {
    expect(maskOf("token", "token-long").text("token-long token-short")).toBe("**** ****-short");
    expect(streamed(maskOf("token", "token-long"), "token-lo", "st").join("")).toBe("****-lost");
  });
  test("a false start hides no real one", () => {
    expect(streamed(maskOf("aaab"), "aaa", "aab", "x").join("")).toBe("aa****x");
  });
  test("bytes that are no text", () => {
    const value = Buffer.from([0xff, 0x00, 0xfe, 0x80, 0x81]);
    const out: Buffer[] = [];
    const stream = new SecretMask([{ value, invalidate: false }]).stream((chunk) =>
      out.push(Buffer.from(chunk)),
    );
    stream.write(Buffer.concat([Buffer.from([1]), value, Buffer.from([2])]));
    stream.end();
    expect(Buffer.concat(out)).toEqual(Buffer.from("\u0001****\u0002"));
  });
});
