import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type DiffId, type Digest, sha256 } from "@tsbuild/base";
import { type Descriptor, mediaTypes } from "@tsbuild/oci";
import type { BlobStore } from "@tsbuild/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

export interface BlobStoreHarness {
  readonly blobs: BlobStore;
  /** Names of unfinished files that the store has at this moment. */
  temporaryFiles(): readonly string[];
  close(): Promise<void>;
}

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await sleep(0);
    yield Buffer.from(part);
  }
}

/** A piece is gone when the next one is asked for. */
async function* inOneMemory(pieces: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(Math.max(...pieces.map(({ length }) => length)));
  for (const piece of pieces) {
    piece.copy(memory);
    yield memory.subarray(0, piece.length);
  }
}

function descriptor(digest: Digest, size: number): Descriptor {
  return { mediaType: mediaTypes.ociLayerGzip, digest, size };
}

const DIFF = sha256("a layer") as string as DiffId;

/** What every `BlobStore` promises. */
export function blobStoreSuite(name: string, open: () => Promise<BlobStoreHarness>): void {
  describe(`blob store: ${name}`, () => {
    let harness: BlobStoreHarness;
    let blobs: BlobStore;
    beforeEach(async () => {
      harness = await open();
      blobs = harness.blobs;
    });
    afterEach(() => harness.close());

    it("gives back what was written, under its digest", () => {
      const digest = blobs.write(Buffer.from("hello"));
      expect(digest).toBe(sha256("hello"));
      expect(blobs.has(digest)).toBe(true);
      expect(blobs.size(digest)).toBe(5);
      expect(Buffer.from(blobs.read(digest)).toString()).toBe("hello");
    });

    it("writes the same bytes twice as one blob", () => {
      expect(blobs.write(Buffer.from("x"))).toBe(blobs.write(Buffer.from("x")));
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("writes several at once, those that it has not", async () => {
      const [known, other] = [Buffer.from("known"), Buffer.from("other")];
      blobs.write(known);
      await blobs.writeAll([known, other, other]);
      for (const bytes of [known, other]) expect(Buffer.from(blobs.read(sha256(bytes)))).toEqual(bytes);
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("tells what is missing", () => {
      const digest = sha256("never written");
      expect(blobs.has(digest)).toBe(false);
      expect(blobs.size(digest)).toBeUndefined();
      expect(() => blobs.path(digest)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
      expect(() => blobs.read(digest)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
    });

    it("ingests a stream and verifies it", async () => {
      const expected = { digest: sha256("one two"), size: 7 };
      expect(await blobs.ingest(chunks("one", " ", "two"), expected)).toEqual(expected);
      expect(Buffer.from(blobs.read(expected.digest)).toString()).toBe("one two");
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("ingests without an expectation, the empty stream too", async () => {
      expect(await blobs.ingest(chunks())).toEqual({ digest: sha256(""), size: 0 });
      expect(await blobs.ingest(chunks("ab"))).toEqual({ digest: sha256("ab"), size: 2 });
    });

    it("tells of a blob that is whole and right before it is there", async () => {
      const digest = sha256("one two");
      const whole: unknown[] = [];
      const ingesting = blobs.ingest(chunks("one", " two"), { digest }, (written) => {
        if (written.digest === undefined) return;
        whole.push({ ...written, file: readFileSync(written.file, "utf8"), isThere: blobs.has(digest) });
      });
      await ingesting;
      expect(whole).toEqual([{ digest, sizeBytes: 7, file: "one two", isThere: false }]);
      const wrong = blobs.ingest(chunks("other"), { digest: sha256("wanted") }, (written) => {
        if (written.digest !== undefined) whole.push(written);
      });
      await expect(wrong).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
      expect(whole).toHaveLength(1);
    });

    it("does not read what it has", async () => {
      const digest = blobs.write(Buffer.from("known"));
      let asked = false;
      async function* source(): AsyncGenerator<Uint8Array> {
        asked = true;
        yield Buffer.from("known");
      }
      expect(await blobs.ingest(source(), { digest })).toEqual({ digest, size: 5 });
      expect(asked).toBe(false);
    });

    it("refuses a wrong digest and shows both", async () => {
      const expected = sha256("wanted");
      await expect(blobs.ingest(chunks("other"), { digest: expected })).rejects.toMatchObject({
        code: "TSB_INTEGRITY",
        message: expect.stringMatching(new RegExp(`${expected}.*${sha256("other")}`)),
      });
      expect(blobs.has(expected)).toBe(false);
      expect(blobs.has(sha256("other"))).toBe(false);
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it.each([
      ["short", "wan"],
      ["long", "wanted and more"],
    ])("refuses a %s stream", async (_what, text) => {
      const expected = { digest: sha256("wanted"), size: 6 };
      await expect(blobs.ingest(chunks(text), expected)).rejects.toMatchObject({
        code: "TSB_INTEGRITY",
        message: expect.stringContaining("6 bytes"),
      });
      expect(blobs.has(expected.digest)).toBe(false);
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("stops reading a stream that is longer than promised", async () => {
      let sent = 0;
      let finished = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            sent += 1;
            yield Buffer.alloc(1024);
          }
        } finally {
          finished = true;
        }
      }
      const expected = { digest: sha256("x"), size: 10_000 };
      await expect(blobs.ingest(endless(), expected)).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
      expect(sent).toBe(10);
      expect(finished).toBe(true);
    });

    it("passes on the failure of the source and leaves nothing", async () => {
      const failure = new Error("connection reset");
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("wan");
        throw failure;
      }
      await expect(blobs.ingest(broken(), { digest: sha256("wanted") })).rejects.toBe(failure);
      expect(blobs.has(sha256("wanted"))).toBe(false);
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("shows a blob only when it is whole", async () => {
      const digest = sha256("first second");
      const gate = Promise.withResolvers<void>();
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("first ");
        await gate.promise;
        yield Buffer.from("second");
      }
      const done = blobs.ingest(slow(), { digest });
      await sleep(20);
      expect(blobs.has(digest)).toBe(false);
      gate.resolve();
      await done;
      expect(blobs.has(digest)).toBe(true);
    });

    it("lets others read what came so far, however slowly the rest comes", async () => {
      const heard = Promise.withResolvers<void>();
      let bytes = "";
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("first ");
        await heard.promise;
        yield Buffer.from("second");
      }
      await blobs.ingest(slow(), undefined, ({ file, sizeBytes }) => {
        bytes = readFileSync(file, "latin1").slice(0, sizeBytes);
        if (sizeBytes === 6) heard.resolve();
      });
      expect(bytes).toBe("first second");
    });

    it("writes and hashes what comes in pieces of any size", async () => {
      // One is longer than all that is gathered at a time.
      const sizes = Array.from({ length: 300 }, (_, n) => (n === 100 ? 700_000 : (n * 7919) % 9000));
      const pieces = sizes.map((sizeBytes, n) => Buffer.alloc(sizeBytes, n));
      const whole = Buffer.concat(pieces);
      const { digest, size } = await blobs.ingest(inOneMemory(pieces));
      expect([digest, size]).toEqual([sha256(whole), whole.length]);
      expect(Buffer.from(blobs.read(digest)).equals(whole)).toBe(true);
    });

    it("takes the same blob from two streams at once", async () => {
      const digest = sha256("same bytes");
      const both = await Promise.all([
        blobs.ingest(chunks("same ", "bytes"), { digest }),
        blobs.ingest(chunks("same bytes"), { digest }),
      ]);
      expect(both).toEqual([
        { digest, size: 10 },
        { digest, size: 10 },
      ]);
      expect(harness.temporaryFiles()).toEqual([]);
    });

    it("remembers compressed forms by variant", () => {
      const gzip = descriptor(blobs.write(Buffer.from("gz")), 2);
      const zstd = descriptor(blobs.write(Buffer.from("zst")), 3);
      expect(blobs.compressed(DIFF, "any")).toBeUndefined();
      blobs.setCompressed(DIFF, "gzip-6", gzip);
      blobs.setCompressed(DIFF, "zstd-3", zstd);
      expect(blobs.compressed(DIFF, "gzip-6")).toEqual(gzip);
      expect(blobs.compressed(DIFF, "zstd-3")).toEqual(zstd);
      expect(blobs.compressed(DIFF, "gzip-9")).toBeUndefined();
      expect([gzip, zstd]).toContainEqual(blobs.compressed(DIFF, "any"));
    });

    it("does not offer a compressed form whose blob is not there", () => {
      blobs.setCompressed(DIFF, "gzip-6", descriptor(sha256("absent"), 6));
      expect(blobs.compressed(DIFF, "gzip-6")).toBeUndefined();
      expect(blobs.compressed(DIFF, "any")).toBeUndefined();
    });
  });
}
