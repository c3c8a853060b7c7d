import { createHash } from "node:crypto";
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
  compress,
  compressionOf,
  decompress,
  type LayerCompression,
  layerMediaType,
  sniffCompression,
  variantName,
} from "@tsbuild/oci";
import { describe, expect, test } from "vitest";
import { collect, inChunks, noise, streamOf } from "./bytes.ts";

/** "tsbuild\n" 1,000 times, as the xz and bzip2 programs pack it. */
const TEXT = Buffer.from("tsbuild\n".repeat(1000));
const XZ = Buffer.from(
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4B8/ADBdADocyGklybYIBIMs6ZSNce0imZSw3FyxQVtx7/PeOdsvadGZUOR/V5FlClGDGa8HAAAnVAgLzmJ8AAABTMA+AAAAg3kuQrHEZ/sCAAAAAARZWg==",
  "base64",
);
const BZIP2 = Buffer.from(
  "QlpoOTFBWSZTWfFhA6QADavBgAAQFCQOACAAUIYECaqjDT+pBypBypBlSDtSDKkHakGVIPC7kinChIeLCB0g",
  "base64",
);

function forms(): Record<string, Buffer> {
  return {
    gzip: gzipSync(TEXT),
    zstd: zstdCompressSync(TEXT, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    xz: XZ,
    bzip2: BZIP2,
    none: TEXT,
  };
}

const damage = { code: "TSB_INTEGRITY" };

describe.each(Object.entries(forms()))("%s", (name, packed) => {
  test("is recognised", () => {
    expect(sniffCompression(packed)).toBe(name);
  });

  test.each([1, 7, 100_000])("is decompressed from chunks of %i bytes", async (size) => {
    expect((await collect(decompress(inChunks(packed, size)))).equals(TEXT)).toBe(true);
  });

  test.each([1, 7, 1000])("is done with a chunk of %i bytes when it asks for the next", async (sizeBytes) => {
    const source = (async function* () {
      const memory = Buffer.alloc(sizeBytes);
      for await (const chunk of inChunks(packed, sizeBytes)) {
        chunk.copy(memory);
        yield memory.subarray(0, chunk.length);
        memory.fill(0xaa);
      }
    })();
    expect((await collect(decompress(source))).equals(TEXT)).toBe(true);
  });

  test("stops at the limit", async () => {
    const limited = decompress(streamOf(packed), { maxBytes: TEXT.length - 1 });
    await expect(collect(limited)).rejects.toMatchObject(damage);
    expect(await collect(decompress(streamOf(packed), { maxBytes: TEXT.length }))).toHaveLength(TEXT.length);
  });

  test("passes on the failure of its source", async () => {
    const source = (async function* () {
      yield packed.subarray(0, 20);
      throw new Error("the network is gone");
    })();
    await expect(collect(decompress(source))).rejects.toThrow("the network is gone");
  });

  test("closes its source when the reader stops", async () => {
    let closed = false;
    const source = (async function* () {
      try {
        while (true) yield packed;
      } finally {
        closed = true;
      }
    })();
    for await (const _ of decompress(source)) break;
    expect(closed).toBe(true);
  });
});

test.each(Object.entries(forms()).filter(([name]) => name !== "none"))(
  "%s is refused when it is cut or changed",
  async (_, packed) => {
    for (const bytes of [packed.subarray(0, -1), packed.subarray(0, packed.length >> 1)]) {
      await expect(collect(decompress(streamOf(bytes)))).rejects.toMatchObject(damage);
    }
    const changed = Buffer.from(packed);
    changed[packed.length >> 1]! ^= 0x55;
    await expect(collect(decompress(streamOf(changed)))).rejects.toMatchObject(damage);
  },
);

describe("gzip", () => {
  test.each([1, 100, 100_000])("of many members, in chunks of %i bytes, is all read", async (size) => {
    const parts = [noise(10), Buffer.alloc(0), noise(70_000, 2), TEXT];
    const packed = Buffer.concat(parts.map((part) => gzipSync(part)));
    expect((await collect(decompress(inChunks(packed, size)))).equals(Buffer.concat(parts))).toBe(true);
  });

  test("comes in memory that is used again, when that is asked for", async () => {
    const packed = Buffer.concat([noise(300_000), TEXT].map((part) => gzipSync(part)));
    const pieces: Buffer[] = [];
    const copies: Buffer[] = [];
    for await (const piece of decompress(inChunks(packed, 10_000), { reuse: true })) {
      pieces.push(piece);
      copies.push(Buffer.from(piece));
    }
    expect(Buffer.concat(copies).equals(Buffer.concat([noise(300_000), TEXT]))).toBe(true);
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(1);
  });

  test("that is damaged gives what comes before the damage first", async () => {
    const packed = gzipSync(TEXT);
    for (const bytes of [packed.subarray(0, -3), Buffer.from(packed).fill(0, packed.length - 8)]) {
      const got: Buffer[] = [];
      const read = async (): Promise<void> => {
        for await (const piece of decompress(streamOf(bytes), { reuse: true })) got.push(Buffer.from(piece));
      };
      await expect(read()).rejects.toMatchObject(damage);
      expect(Buffer.concat(got).equals(TEXT)).toBe(true);
    }
  });

  test("may be followed by zeros, but not by anything else", async () => {
    const packed = gzipSync(TEXT);
    const zeros = await collect(decompress(streamOf(packed, Buffer.alloc(600))));
    expect(zeros.equals(TEXT)).toBe(true);
    await expect(collect(decompress(streamOf(packed, Buffer.from("garbage"))))).rejects.toMatchObject(damage);
  });

  test("that hides a length like its own in its data is not cut there", async () => {
    // Stored blocks: the data stands in the stream as it is, among it the length and a member's beginning.
    const size = 100;
    const bait = Buffer.alloc(size, 0x61);
    bait.writeUInt32LE(size, 20);
    Buffer.of(0x1f, 0x8b, 0x08).copy(bait, 24);
    const packed = Buffer.concat([gzipSync(bait, { level: 0 }), gzipSync(TEXT)]);
    const read = collect(decompress(streamOf(packed)));
    await expect(read.then((bytes) => bytes.equals(Buffer.concat([bait, TEXT])))).resolves.toBe(true);
  });

  test("of zeros comes in pieces of bounded size", async () => {
    const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    let largest = 0;
    let total = 0;
    for await (const piece of decompress(streamOf(packed))) {
      largest = Math.max(largest, piece.length);
      total += piece.length;
    }
    expect(total).toBe(64 * 1024 * 1024);
    expect(largest).toBeLessThanOrEqual(17 * 1024 * 1024);
  });
});

describe("compress", () => {
  const variants: readonly LayerCompression[] = ["gzip", "zstd", "uncompressed"];

  test.each(variants)("%s gives the same bytes however the input is cut, and back", async (compression) => {
    const input = Buffer.concat([noise(300_000), Buffer.alloc(300_000)]);
    const digests = new Set<string>();
    for (const size of [1_000, 65_536, 600_000]) {
      const packed = await collect(compress(inChunks(input, size), { compression }));
      digests.add(createHash("sha256").update(packed).digest("hex"));
      expect((await collect(decompress(streamOf(packed)))).equals(input)).toBe(true);
    }
    expect(digests.size).toBe(1);
  });

  test("gzip writes no time and no name", async () => {
    const packed = await collect(compress(streamOf(TEXT), { compression: "gzip" }));
    expect(packed.subarray(0, 8).toString("hex")).toBe("1f8b080000000000");
  });

  test.each(variants)("%s of several blocks, in memory that is used again", async (compression) => {
    const input = Buffer.concat([noise(1_500_000), Buffer.alloc(2_000_000), noise(1_500_000, 2)]);
    const whole = await collect(compress(inChunks(input, 77_777), { compression }));
    expect((await collect(decompress(streamOf(whole)))).equals(input)).toBe(true);
    // More than once: what is given back must not be needed again.
    for (const size of [1024 * 1024, 5_000_000]) {
      const again = await collect(
        compress(inChunks(Buffer.from(input), size), { compression }, { reuse: true }),
      );
      expect(again.equals(whole)).toBe(true);
    }
  });

  test.each([
    ["gzip", gunzipSync],
    ["zstd", zstdDecompressSync],
  ] as const)("%s of nothing, and of whole blocks, is read by others", async (compression, read) => {
    for (const size of [0, 1024 * 1024, 3 * 1024 * 1024, 8 * 1024 * 1024]) {
      const packed = await collect(compress(streamOf(noise(size)), { compression }));
      expect(read(packed).equals(noise(size))).toBe(true);
    }
  });

  test.each(["gzip", "zstd"] as const)("%s is the same on any number of threads", async (compression) => {
    const input = Buffer.concat([TEXT, noise(9_000_000), TEXT]);
    const digests = new Set<string>();
    for (const threads of [1, 2, 3, 8]) {
      const packed = await collect(compress(inChunks(input, 100_000), { compression }, { threads }));
      digests.add(createHash("sha256").update(packed).digest("hex"));
    }
    expect(digests.size).toBe(1);
  });

  // From level 5 on, zstd's tables would be salted by what a context has seen before.
  test("zstd makes the same of equal blocks, whatever came before", async () => {
    const block = Buffer.alloc(4 * 1024 * 1024, TEXT);
    const variant = { compression: "zstd", level: 6 } as const;
    const once = await collect(compress(streamOf(block), variant, { threads: 1 }));
    const after = streamOf(noise(block.length), block, block, block);
    const more = await collect(compress(after, variant, { threads: 1 }));
    const frames = [-3, -2, -1].map((at) =>
      more.subarray(at * once.length, (at + 1) * once.length || undefined),
    );
    expect(frames.map((frame) => frame.equals(once))).toEqual([true, true, true]);
  });

  test("a level that there is not is refused", async () => {
    const packing = collect(compress(streamOf(TEXT), { compression: "gzip", level: 10 }));
    await expect(packing).rejects.toMatchObject({ code: "EINVAL" });
  });

  test("gzip in blocks is at most 3% larger than in one piece", async () => {
    const words = Array.from({ length: 400_000 }, (_, index) => `word${(index * 7919) % 5000} `).join("");
    const packed = await collect(compress(streamOf(Buffer.from(words)), { compression: "gzip" }));
    expect(packed.length).toBeLessThan(gzipSync(words).length * 1.03);
  });

  test.each(["gzip", "zstd"] as const)(
    "%s closes its source when the reader stops, or the source fails",
    async (compression) => {
      let closed = 0;
      const source = async function* (error?: Error) {
        try {
          for (let count = 0; error === undefined || count < 20; count++) yield noise(300_000);
          throw error;
        } finally {
          closed += 1;
        }
      };
      let read = 0;
      for await (const chunk of compress(source(), { compression })) {
        read += chunk.length;
        if (read > 1000) break;
      }
      const failing = compress(source(new Error("the disk is gone")), { compression });
      await expect(collect(failing)).rejects.toThrow("the disk is gone");
      expect(closed).toBe(2);
    },
  );

  test("levels differ", async () => {
    const input = Buffer.concat([TEXT, noise(100_000), TEXT]);
    const fast = await collect(compress(streamOf(input), { compression: "zstd", level: 1 }));
    const small = await collect(compress(streamOf(input), { compression: "zstd", level: 19 }));
    expect(small.length).toBeLessThan(fast.length);
  });

  test("a bomb is refused by its ratio; gzip, which has a bound, and what is small are not", async () => {
    const zeros = Buffer.alloc(8 * 1024 * 1024);
    const bomb = zstdCompressSync(zeros);
    expect(zeros.length / bomb.length).toBeGreaterThan(2000);
    const refused = collect(decompress(streamOf(bomb), { freeBytes: 1024 * 1024 }));
    await expect(refused).rejects.toMatchObject({
      code: "TSB_INTEGRITY",
      message: expect.stringContaining("a decompression bomb"),
    });
    expect(await collect(decompress(streamOf(bomb)))).toHaveLength(zeros.length);
    expect(await collect(decompress(streamOf(gzipSync(zeros)), { freeBytes: 1024 }))).toHaveLength(
      zeros.length,
    );
  });

  test("variants are named with the compressor's version", () => {
    expect(variantName({ compression: "gzip" })).toBe("gzip-6-deflate4-blocks1m");
    expect(variantName({ compression: "gzip", level: 9 })).toBe(
      `gzip-9-${process.versions.zlib}-memory9-blocks1m`,
    );
    expect(variantName({ compression: "zstd", level: 9 })).toBe(
      `zstd-9-${process.versions["zstd"]}-frames4m`,
    );
    expect(variantName({ compression: "uncompressed", level: 9 })).toBe("uncompressed");
  });
});

test.each(["gzip", "zstd", "uncompressed"] as const)("both media types of a layer say %s", (compression) => {
  const [oci, docker] = [layerMediaType(compression), layerMediaType(compression, true)];
  expect([oci, docker].map(compressionOf)).toEqual([compression, compression]);
  expect(oci).toContain("vnd.oci.image.layer");
  expect(docker).toContain("vnd.docker.image.rootfs");
});
