import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { DiffId } from "@tsbuild/base";
import { compress, decompress, GrowingFile, LayerWorkers, type PackedLayer, writeTar } from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, file, noise, streamOf } from "./bytes.ts";
import { missing, pack, shell, workFolder } from "./system.ts";

if (missing !== undefined) console.log(`skipping the tests of worker threads: ${missing}`);

let work: ReturnType<typeof workFolder>;
let workers: LayerWorkers;
beforeEach(() => {
  work = workFolder();
  workers = new LayerWorkers({ threads: 2 });
});
afterEach(async () => {
  await workers.close();
  work.remove();
});

function largeFolder(name: string, seed: number): string {
  const folder = work.make(name);
  writeFileSync(join(folder, "noise"), noise(3_000_000, seed));
  writeFileSync(join(folder, "zeros"), Buffer.alloc(3_000_000));
  return folder;
}

/** In this process, as the kernel names them. */
function layerThreads(): number {
  const names = readdirSync("/proc/self/task").map((id) =>
    readFileSync(`/proc/self/task/${id}/comm`, "latin1").trim(),
  );
  return names.filter((name) => name === "tsbuild layers").length;
}

/** What a layer is, without what its folder looks like. */
function bare({ diffId, sizeBytes }: PackedLayer): PackedLayer {
  return { diffId, sizeBytes };
}

describe.skipIf(missing !== undefined)("layer workers", () => {
  test("measure what packing here gives, large and small, several at once", async () => {
    const folders = [1, 2, 3].map((seed) => largeFolder(`large${seed}`, seed));
    const small = work.make("small");
    shell(small, "echo x > x; mknod gone c 0 0");
    const measured = await Promise.all([...folders, small].map((folder) => workers.measure({ folder })));
    for (const [index, folder] of [...folders, small].entries()) {
      expect(bare(measured[index]!)).toEqual((await pack(folder)).layer);
    }
  });

  test.each(["gzip", "zstd", "uncompressed"] as const)(
    "stream %s layers that unpack to the same",
    async (compression) => {
      const folder = largeFolder("large", 5);
      const { stream, result } = workers.pack({ folder, variant: { compression } });
      const blob = await collect(stream);
      const layer = await result;
      const tar = await collect(decompress(streamOf(blob)));
      expect(layer.diffId).toBe(`sha256:${createHash("sha256").update(tar).digest("hex")}`);
      expect(blob.equals(await collect(compress(streamOf(tar), { compression })))).toBe(true);

      const path = join(work.path, "blob");
      writeFileSync(path, blob);
      const target = work.make("target");
      expect(await workers.unpack({ blob: path, folder: target, userxattr: false })).toEqual({
        ...bare(layer),
        impliedFolders: [],
        whiteouts: [],
      });
      expect((await pack(target)).layer).toEqual(bare(layer));
    },
  );

  test("tell of a changed layer by its diff ID, not by the checksum of gzip, and of a cut one at once", async () => {
    const tar = await collect(writeTar([file("f", noise(2_000_000, 30))]));
    const blob = gzipSync(tar, { level: 0 });
    const at = blob.length - 100_000;
    blob[at] = (blob[at] ?? 0) ^ 1;
    await expect(collect(decompress(streamOf(blob)))).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
    const path = join(work.path, "blob");
    writeFileSync(path, blob);
    const changed = await workers.unpack({ blob: path, folder: work.make("changed"), userxattr: false });
    const seen = await collect(decompress(streamOf(blob), { isDigested: true }));
    expect(changed.diffId).toBe(`sha256:${createHash("sha256").update(seen).digest("hex")}`);
    expect(seen.length).toBe(tar.length);
    expect(seen.equals(tar)).toBe(false);
    writeFileSync(path, blob.subarray(0, -20));
    const cut = workers.unpack({ blob: path, folder: work.make("cut"), userxattr: false });
    await expect(cut).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
  });

  test("unpack a file behind the one that writes it, and stop when that fails", async () => {
    const first = noise(2_000_000, 20);
    const tar = await collect(writeTar([file("first", first), file("last", noise(2_000_000, 21))]));
    const path = join(work.path, "arriving");
    const fd = openSync(path, "w+");
    const arriving = new GrowingFile(fd);
    const target = work.make("arrived");
    const unpacking = workers.unpack({ blob: arriving, folder: target, userxattr: false });
    writeSync(fd, tar.subarray(0, 3_000_000));
    arriving.grow(3_000_000);
    // The rest is not written before the first file is there: it would wait for ever if that waited for the rest.
    while (!existsSync(join(target, "first")) || statSync(join(target, "first")).size < first.length)
      await new Promise((resolve) => setTimeout(resolve, 5));
    writeSync(fd, tar.subarray(3_000_000));
    arriving.grow(tar.length);
    arriving.end();
    const layer = await unpacking;
    expect(layer.diffId).toBe(`sha256:${createHash("sha256").update(tar).digest("hex")}`);
    expect(bare(layer)).toEqual((await pack(target)).layer);

    const abort = new AbortController();
    const broken = new GrowingFile(fd);
    const job = { blob: broken, folder: work.make("broken"), userxattr: false };
    const stopped = workers.unpack(job, { signal: abort.signal });
    broken.grow(3_000_000);
    abort.abort();
    await expect(stopped).rejects.toThrow("aborted");
    closeSync(fd);
  });

  test("get ready by packing what is small, once; what comes then is packed as ever", async () => {
    const [small, large] = [work.make("small"), largeFolder("large", 4)];
    writeFileSync(join(small, "file"), "x");
    const variant = { compression: "gzip" } as const;
    await workers.warm({ folder: small, variant });
    // Nothing is left to do: the folder is not looked for.
    await workers.warm({ folder: join(work.path, "absent"), variant });
    expect(bare(await workers.measure({ folder: large }))).toEqual((await pack(large)).layer);
    const others = new LayerWorkers({ threads: 1 });
    try {
      await expect(others.warm({ folder: join(work.path, "absent"), variant })).rejects.toThrow(/ENOENT/);
    } finally {
      await others.close();
    }
  });

  test("do not hash again what looks as it did, and do when it does not", async () => {
    const folder = largeFolder("large", 9);
    const { tree } = await workers.measure({ folder });
    const known: PackedLayer = { diffId: `sha256:${"0".repeat(64)}` as DiffId, sizeBytes: 1, tree };
    expect(await workers.measure({ folder, known })).toEqual(known);
    // The same size and, set back, the same time: what an edit cannot set is when it happened.
    const { atime, mtime } = statSync(join(folder, "noise"));
    writeFileSync(join(folder, "noise"), noise(3_000_000, 10));
    utimesSync(join(folder, "noise"), atime, mtime);
    expect(bare(await workers.measure({ folder, known }))).toEqual((await pack(folder)).layer);
  });

  test("tell of what they leave out", async () => {
    const folder = largeFolder("large", 6);
    writeFileSync(join(folder, ".wh.odd"), "x");
    const skipped: string[] = [];
    await workers.measure({ folder }, { onSkipped: (path) => skipped.push(path) });
    expect(skipped).toEqual([".wh.odd"]);
  });

  test("pass failures on as they are", async () => {
    const tar = await collect(writeTar([file("a", noise(3_000_000))]));
    const blob = join(work.path, "blob");
    writeFileSync(blob, tar.subarray(0, 2_000_000));
    const unpacking = workers.unpack({ blob, folder: work.make("target"), userxattr: false });
    await expect(unpacking).rejects.toMatchObject({ code: "TSB_INTEGRITY", name: "TsbuildError" });
    const bounded = workers.unpack({
      blob,
      folder: work.make("bounded"),
      userxattr: false,
      maxBytes: 1_000_000,
    });
    await expect(bounded).rejects.toMatchObject({ code: "TSB_INTEGRITY", hint: expect.any(String) });
  });

  test("give a slow reader its own bytes while the thread would go on with another layer", async () => {
    const one = new LayerWorkers({ threads: 1 });
    try {
      const folders = [largeFolder("slow", 11), largeFolder("next", 12)];
      const expected = await Promise.all(folders.map(async (folder) => (await pack(folder)).layer.diffId));
      const packs = folders.map((folder) => one.pack({ folder, variant: { compression: "uncompressed" } }));
      const digests = await Promise.all(
        packs.map(async ({ stream, result }) => {
          const hash = createHash("sha256");
          for await (const chunk of stream) {
            // Longer than the thread takes for the whole next layer, with chunks of this one still unread.
            await new Promise((resolve) => setTimeout(resolve, 20));
            hash.update(chunk);
          }
          await result;
          return `sha256:${hash.digest("hex")}`;
        }),
      );
      expect(digests).toEqual(expected);
    } finally {
      await one.close();
    }
  });

  test("start ahead of what they are told to come, as many as there may be, which then do it", async () => {
    workers.begin(5);
    // A thread that ends while it is looked at is an error here, and looked for again.
    await expect.poll(layerThreads, { timeout: 20_000 }).toBe(2);
    workers.begin(1);
    const folder = largeFolder("large", 13);
    expect(bare(await workers.measure({ folder }))).toEqual((await pack(folder)).layer);
    await expect.poll(layerThreads, { timeout: 20_000 }).toBe(2);
  });

  test("stop when told to, and when nobody reads on; the threads serve again", async () => {
    const folder = largeFolder("large", 7);
    const abort = new AbortController();
    const packing = workers.pack({ folder, variant: { compression: "gzip" } }, { signal: abort.signal });
    abort.abort();
    await expect(collect(packing.stream)).rejects.toThrow("aborted");
    await expect(packing.result).rejects.toThrow("aborted");

    const abandoned = workers.pack({ folder, variant: { compression: "uncompressed" } });
    for await (const _ of abandoned.stream) break;
    await expect(abandoned.result).rejects.toThrow("aborted");

    expect(bare(await workers.measure({ folder }))).toEqual((await pack(folder)).layer);
  });

  test("fail clearly when a thread dies, and replace it", async () => {
    const folder = largeFolder("large", 8);
    const measuring = workers.measure({ folder });
    await workers.close();
    const outcome = await measuring.then(
      () => "done",
      (error: Error) => error.message,
    );
    expect(["done", "a worker thread ended unexpectedly"]).toContain(outcome);
    expect(bare(await workers.measure({ folder }))).toEqual((await pack(folder)).layer);
  });
});
