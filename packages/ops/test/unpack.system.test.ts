import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { chainId, type DiffId, type Digest, sha256 } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { type Descriptor, mediaTypes, writeTar } from "@tsbuild/oci";
import type { OpContext } from "@tsbuild/solver";
import { fsck, openStore, type Store } from "@tsbuild/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unpackChain } from "../src/images/unpack-chain.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: unpacking of images: needs root");

/** Bytes that gzip makes nothing smaller of, so that a layer of them is not small. */
function noise(seed: string, size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, i) =>
    createHash("sha256").update(`${seed} ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

interface TestLayer {
  readonly diffId: DiffId;
  readonly blob: Descriptor;
  readonly bytes: Buffer;
  /** `first` and `last`, a large file each. */
  readonly first: Buffer;
}

async function layerOf(seed: string): Promise<TestLayer> {
  const first = noise(`${seed} first`, 1_200_000);
  const metadata = { type: "file", mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n } as const;
  const members = ["first", "last"].map((name) => {
    const body = name === "first" ? first : noise(seed, 1_200_000);
    return { entry: { ...metadata, path: `${seed}-${name}`, size: body.length }, body };
  });
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(members)) chunks.push(Buffer.from(chunk));
  const tar = Buffer.concat(chunks);
  const bytes = gzipSync(tar, { level: 1 });
  const blob = { mediaType: mediaTypes.ociLayerGzip, digest: sha256(bytes), size: bytes.length };
  return { diffId: sha256(tar) as string as DiffId, blob, bytes, first };
}

describe.skipIf(!isRoot)("layers that are unpacked while they come", () => {
  let folder: string;
  let store: Store;
  let context: OpContext;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-unpack-"));
    store = await openStore({ root: folder, native: nativeFs });
    const { signal } = new AbortController();
    const vertex = sha256("vertex") as string as OpContext["vertex"];
    context = { vertex, signal, emit: () => undefined, ignoreCache: false };
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function unpack(
    layers: readonly TestLayer[],
    blob: (layer: TestLayer, signal: AbortSignal) => AsyncIterable<Uint8Array>,
  ) {
    const chain = {
      name: "test",
      layers,
      blob: (wanted: Descriptor, signal: AbortSignal | undefined) => {
        const layer = layers.find((one) => one.blob.digest === wanted.digest);
        if (layer === undefined || signal === undefined) throw new Error("not one of ours");
        return blob(layer, signal);
      },
    };
    return unpackChain({ store, fs: nativeFs, userxattr: false }, chain, context);
  }

  /** The file in whichever snapshot has it. */
  function unpacked(name: string): string | undefined {
    const snapshots = join(folder, "v1/snapshots");
    return readdirSync(snapshots)
      .map((id) => join(snapshots, id, "fs", name))
      .find((path) => existsSync(path));
  }

  async function expectNothing(layers: readonly TestLayer[], digests: readonly Digest[]): Promise<void> {
    for (const digest of digests) expect(store.blobs.has(digest)).toBe(false);
    for (const [i] of layers.entries()) {
      const chain = chainId(layers.slice(0, i + 1).map(({ diffId }) => diffId));
      expect(chain === undefined ? undefined : store.snapshots.byChainId(chain)).toBeUndefined();
    }
    expect(readdirSync(join(folder, "v1/snapshots"))).toEqual([]);
    expect(await fsck(store)).toEqual([]);
  }

  test("the end of a blob may wait for what its beginning unpacks to", async () => {
    const layer = await layerOf("a");
    const half = layer.bytes.length * 0.75;
    const snapshot = await unpack([layer], async function* ({ bytes }) {
      yield Buffer.from(bytes.subarray(0, half));
      for (let path = unpacked("a-first"); ; path = unpacked("a-first")) {
        if (path !== undefined && readFileSync(path).equals(layer.first)) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      // Nothing of it is visible yet.
      expect(store.blobs.has(layer.blob.digest)).toBe(false);
      yield Buffer.from(bytes.subarray(half));
    });
    expect(snapshot).not.toBeNull();
    expect(store.blobs.has(layer.blob.digest)).toBe(true);
    const chain = chainId([layer.diffId]);
    expect(chain === undefined ? undefined : store.snapshots.byChainId(chain)).toBe(snapshot);
  });

  test("a blob that is another one makes nothing visible, though it unpacks well", async () => {
    const [layer, other] = [await layerOf("a"), await layerOf("b")];
    const bytes = Buffer.concat([other.bytes, Buffer.alloc(layer.bytes.length)]);
    const failed = unpack([layer], async function* () {
      yield Buffer.from(bytes.subarray(0, layer.bytes.length));
    });
    await expect(failed).rejects.toMatchObject({
      code: "TSB_INTEGRITY",
      message: expect.stringMatching(`^test: layer ${layer.blob.digest}: expected a blob with digest`),
    });
    await expectNothing([layer], [layer.blob.digest]);
  });

  test("bytes that are no archive are blamed on the line when the digest says so", async () => {
    const layer = await layerOf("a");
    const failed = unpack([layer], async function* ({ bytes }) {
      yield Buffer.from(bytes.subarray(0, 300_000));
      yield Buffer.alloc(bytes.length - 300_000, 0x41);
    });
    await expect(failed).rejects.toThrow("expected a blob with digest");
    await expectNothing([layer], [layer.blob.digest]);
  });

  test("the failure of one layer ends the others, and is what is told", async () => {
    const layers = await Promise.all(["a", "b", "c"].map(layerOf));
    const failure = new Error("the line is dead");
    const failed = unpack(layers, async function* (layer, signal) {
      yield Buffer.from(layer.bytes.subarray(0, 500_000));
      if (layer === layers[1]) throw failure;
      // Would never end of itself. Whoever comes late hears of no abort.
      signal.throwIfAborted();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    await expect(failed).rejects.toBe(failure);
    await expectNothing(
      layers,
      layers.map(({ blob }) => blob.digest),
    );
  });

  test("a rightly transferred layer that is not the image's is kept as a blob only", async () => {
    const layer = await layerOf("a");
    const wrong = { ...layer, diffId: sha256("other") as string as DiffId };
    const failed = unpack([wrong], async function* ({ bytes }) {
      yield Buffer.from(bytes);
    });
    await expect(failed).rejects.toThrow("it unpacks to");
    expect(store.blobs.has(layer.blob.digest)).toBe(true);
    await expectNothing([wrong], []);
  });
});
