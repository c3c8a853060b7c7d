import { gzipSync } from "node:zlib";
import { Inflater } from "@tsbuild/native-fs";
import { describe, expect, test } from "vitest";

const text = Buffer.from("what is in a layer, again and again; ".repeat(5000));

/** All of one member, in steps of so many bytes in and out. */
function inflated(inflater: Inflater, packed: Buffer, sizes: { readonly in: number; readonly out: number }) {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const output = Buffer.alloc(sizes.out);
    const step = inflater.run(packed.subarray(at, at + sizes.in), output);
    at += step.consumed;
    parts.push(output.subarray(0, step.produced));
    if (step.ended) return { bytes: Buffer.concat(parts), consumed: at };
    expect(step.consumed + step.produced).toBeGreaterThan(0);
  }
}

describe("an inflater", () => {
  test.each([
    { in: 1, out: 1 },
    { in: 7, out: 100_000 },
    { in: 100_000, out: 13 },
  ])("gives a member in steps of $in bytes in and $out out, and stops at its end", (sizes) => {
    const packed = gzipSync(text);
    const followed = Buffer.concat([packed, Buffer.from("what follows")]);
    const { bytes, consumed } = inflated(new Inflater(), followed, sizes);
    expect(bytes.equals(text)).toBe(true);
    expect(consumed).toBe(packed.length);
  });

  test("begins the next member after the end of one", () => {
    const inflater = new Inflater();
    for (const content of [text, Buffer.alloc(0), Buffer.alloc(300_000)]) {
      const { bytes } = inflated(inflater, gzipSync(content), { in: 4096, out: 65_536 });
      expect(bytes.equals(content)).toBe(true);
    }
  });

  test.each([
    ["no gzip at all", () => Buffer.from("no gzip at all"), "incorrect header check"],
    [
      "another checksum",
      (packed: Buffer) => packed.fill(0, packed.length - 8, packed.length - 4),
      "incorrect data check",
    ],
    ["another length", (packed: Buffer) => packed.fill(0, packed.length - 4), "incorrect length check"],
  ])("refuses %s, in zlib's words", (_, damage, words) => {
    const packed = damage(gzipSync(text));
    const run = () => inflated(new Inflater(), packed, { in: 65_536, out: 65_536 });
    expect(run).toThrow(expect.objectContaining({ code: "EILSEQ", message: expect.stringContaining(words) }));
  });

  test("passes over checksums and lengths where it is told to, and over no other damage", () => {
    const inflater = new Inflater({ checked: false });
    for (const content of [text, Buffer.alloc(300_000)]) {
      const packed = gzipSync(content);
      packed.fill(0, packed.length - 8);
      const { bytes, consumed } = inflated(inflater, packed, { in: 4096, out: 65_536 });
      expect(bytes.equals(content)).toBe(true);
      expect(consumed).toBe(packed.length);
    }
    expect(() => inflater.run(Buffer.from("no gzip at all"), Buffer.alloc(9))).toThrow(
      "incorrect header check",
    );
  });

  test("has nothing to do without input or room, which is no error", () => {
    const step = { consumed: 0, produced: 0, ended: false };
    expect(new Inflater().run(Buffer.alloc(0), Buffer.alloc(10))).toEqual(step);
    const full = new Inflater();
    const packed = gzipSync(text);
    const first = full.run(packed, Buffer.alloc(10));
    expect(first.produced).toBe(10);
    expect(full.run(packed.subarray(first.consumed), Buffer.alloc(0))).toMatchObject({
      produced: 0,
      ended: false,
    });
  });
});
