import { gzipSync } from "node:zlib";
import { errnoCode } from "@tsbuild/base";
import { type InflateLibrary, Inflater, inflateLibrary } from "@tsbuild/native-fs";
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

const hasIsal = inflateLibrary() === "isa-l";
if (!hasIsal) console.warn("tests of inflating by ISA-L skipped: libisal2 is not installed");

describe.each<InflateLibrary>(hasIsal ? ["zlib", "isa-l"] : ["zlib"])("an inflater, %s", (library) => {
  test.each([
    { in: 1, out: 1 },
    { in: 7, out: 100_000 },
    { in: 100_000, out: 13 },
  ])("gives a member in steps of $in bytes in and $out out, and stops at its end", (sizes) => {
    const packed = gzipSync(text);
    const followed = Buffer.concat([packed, Buffer.from("what follows")]);
    const { bytes, consumed } = inflated(new Inflater({ library }), followed, sizes);
    expect(bytes.equals(text)).toBe(true);
    expect(consumed).toBe(packed.length);
  });

  test("begins the next member after the end of one", () => {
    const inflater = new Inflater({ library });
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
    [
      "another length",
      (packed: Buffer) => packed.fill(0, packed.length - 4),
      library === "zlib" ? "incorrect length check" : "incorrect data check",
    ],
  ])("refuses %s, in zlib's words", (_, damage, words) => {
    const packed = damage(gzipSync(text));
    const run = () => inflated(new Inflater({ library }), packed, { in: 65_536, out: 65_536 });
    expect(run).toThrow(expect.objectContaining({ code: "EILSEQ", message: expect.stringContaining(words) }));
  });

  test("passes over checksums and lengths where it is told to, and over no other damage", () => {
    const inflater = new Inflater({ library, checked: false });
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
    expect(new Inflater({ library }).run(Buffer.alloc(0), Buffer.alloc(10))).toEqual(step);
    const full = new Inflater({ library });
    const packed = gzipSync(text);
    const first = full.run(packed, Buffer.alloc(10));
    expect(first.produced).toBe(10);
    expect(full.run(packed.subarray(first.consumed), Buffer.alloc(0))).toMatchObject({
      produced: 0,
      ended: false,
    });
  });
});

test.skipIf(!hasIsal)("both libraries take the same data for damaged, or give what was packed", () => {
  const words = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 1013} `).join("");
  const packed = gzipSync(words);
  const outcome = (library: InflateLibrary, bytes: Buffer): string => {
    const inflater = new Inflater({ library });
    try {
      return inflated(inflater, bytes, { in: 1 << 20, out: 1000 }).bytes.toString();
    } catch (error) {
      /* The helper's own complaint is that of an end that comes too early. */
      return errnoCode(error) === "EILSEQ" ? "damaged" : "short";
    }
  };
  for (let at = 10; at < packed.length; at += 37) {
    const bytes = Buffer.from(packed);
    bytes[at] = bytes[at]! ^ (1 << (at % 8));
    const [zlib, isal] = [outcome("zlib", bytes), outcome("isa-l", bytes)];
    expect([zlib, isal].filter((text) => text !== "damaged" && text !== "short")).toEqual([]);
  }
});
