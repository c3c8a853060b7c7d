import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { BlockCompressor, deflateName } from "../src/index.ts";
import "./fixture.ts";

const BLOCK_BYTES = 1024 * 1024;
const OWN_LEVELS = [4, 5, 6, 7];

/** Numbers below `bound`, the same for a seed everywhere. */
function random(seed: number): (bound: number) => number {
  let state = seed | 1;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function filled(size: number, byte: (index: number, before: Buffer) => number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = byte(i, bytes);
  return bytes;
}

function noise(size: number, seed = 1): Buffer {
  const next = random(seed);
  return filled(size, () => next(256));
}

function text(size: number): Buffer {
  const next = random(7);
  const words = Array.from({ length: 2000 }, (_, i) => (i * 7919 + 104_729).toString(36));
  let out = "";
  while (out.length < size)
    out += `${words[Math.floor(next(2000) * (next(100) / 100))]}${next(9) === 0 ? ";\n" : " "}`;
  return Buffer.from(out.slice(0, size));
}

/** How often each byte occurs doubles from one to the next: the best codes would be longer than deflate has them. */
function skewed(size: number): Buffer {
  const next = random(3);
  return filled(size, () => Math.min(40, Math.clz32(next(2 ** 31) + 1)));
}

/** Repetitions of all lengths at all distances, the window's end among them. */
function repetitive(size: number, seed: number): Buffer {
  const next = random(seed);
  let left = 0;
  let distance = 1;
  return filled(size, (i, before) => {
    if (left > 0) {
      left -= 1;
      return before[i - distance] ?? 0;
    }
    left = next(3) === 0 ? next(600) : next(8);
    const farthest = Math.min(i, [4, 300, 5000, 32_770, 70_000][next(5)] ?? 1);
    distance = farthest < 1 ? i + 1 : 1 + next(farthest);
    return next(256);
  });
}

/** Copies of a file, each with a change, then parts of it from anywhere. */
function copies(size: number): Buffer {
  const next = random(13);
  const file = Buffer.concat([text(6000), noise(2000, 5)]);
  const pieces: Buffer[] = [];
  for (let left = 0.8 * size; left > 0; left -= file.length) {
    file[next(file.length)] = next(256);
    pieces.push(Buffer.from(file));
  }
  for (let left = 0.2 * size; left > 0; left -= 500) {
    const from = next(file.length - 500);
    pieces.push(file.subarray(from, from + 500));
  }
  return Buffer.concat(pieces).subarray(0, size);
}

async function deflated(block: Buffer, level: number): Promise<Buffer> {
  const compressor = new BlockCompressor({ algorithm: "deflate", level }, Math.max(block.length, 1));
  return Buffer.from(await compressor.compress(block));
}

/** Behind blocks of which none is the last. */
function inflated(blocks: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([blocks, Buffer.of(3, 0)]));
}

const inputs: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  "a byte": Buffer.from("a"),
  "the length of a look-up": Buffer.from("abcabcab"),
  zeros: Buffer.alloc(BLOCK_BYTES),
  noise: noise(BLOCK_BYTES),
  text: text(BLOCK_BYTES),
  "text, then noise": Buffer.concat([text(700_000), noise(200_000)]),
  "skewed bytes": skewed(500_000),
  "one kind of byte": filled(300_000, (i) => (i % 1000 === 0 ? 1 : 0)),
  repetitions: repetitive(BLOCK_BYTES, 11),
  copies: copies(500_000),
  "an end within a copy": copies(500_000).subarray(0, 390_001),
  "an end within a match": Buffer.concat([noise(5000), noise(5000).subarray(0, 4003)]),
};

describe.each(OWN_LEVELS)("level %i", (level) => {
  test.each(Object.entries(inputs))("%s is inflated again", async (_name, input) => {
    const packed = await deflated(input, level);
    expect(inflated(packed).equals(input)).toBe(true);
    // An empty stored block at the end, and 5 bytes for each one of what nothing can be done about.
    expect(packed.length).toBeLessThanOrEqual(input.length + 5 * Math.ceil(input.length / 16_000) + 6);
  });

  test("random repetitions of any size are inflated again", async () => {
    const next = random(level);
    for (let round = 0; round < 60; round++) {
      const input = repetitive(next(round % 10 === 0 ? 200_000 : 2000), 100 * level + round);
      expect(inflated(await deflated(input, level)).equals(input), `round ${round}`).toBe(true);
    }
  });
});

test("what the memory held before does not matter", async () => {
  const compressor = new BlockCompressor({ algorithm: "deflate", level: 6 }, BLOCK_BYTES);
  const [first, other] = [text(300_000), repetitive(BLOCK_BYTES, 5)];
  const once = Buffer.from(await compressor.compress(first));
  await compressor.compress(other);
  expect(Buffer.from(await compressor.compress(first)).equals(once)).toBe(true);
});

test("sizes are those of zlib at level 6, within 3%", async () => {
  for (const name of ["text", "text, then noise", "repetitions", "copies"]) {
    const input = inputs[name] ?? Buffer.alloc(0);
    const ratio = (await deflated(input, 6)).length / deflateRawSync(input, { level: 6 }).length;
    expect(ratio, name).toBeLessThan(1.03);
  }
});

test("noise is taken as it is, and found when it comes again", async () => {
  const once = noise(20_000);
  const packed = await deflated(Buffer.concat([once, once]), 6);
  expect(packed.length).toBeLessThan(1.02 * once.length);
});

test("more effort makes less of what has repetitions", async () => {
  const input = repetitive(BLOCK_BYTES, 11);
  const sizes = await Promise.all(OWN_LEVELS.map(async (level) => (await deflated(input, level)).length));
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
});

/** Blobs are named by these bytes. Where they change, `DEFLATE_VERSION` has to change, as what is remembered under it is no more what is made. */
test("the bytes are those of this version", async () => {
  const packed = await Promise.all(
    OWN_LEVELS.flatMap((level) => Object.values(inputs).map((input) => deflated(input, level))),
  );
  const digest = createHash("sha256").update(Buffer.concat(packed)).digest("hex");
  expect([deflateName(6), digest.slice(0, 16)]).toEqual(["deflate4", "e5f5d057ad49a1dc"]);
});

test("levels without a matcher of our own are named by zlib's version", () => {
  const own = [...Array(10).keys()].filter((level) => deflateName(level) === "deflate4");
  expect(own).toEqual(OWN_LEVELS);
  expect(deflateName(9)).toContain(process.versions.zlib);
});
