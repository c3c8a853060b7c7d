import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type DiffId, type Digest, type SnapshotId, sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci";
import type { CacheKeyId, ResultId } from "@tsbuild/solver";
import { fsck, prune, type Store } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { layer, names, openAt, temporaryRoot } from "./world.ts";

const key = (name: string): CacheKeyId => name as CacheKeyId;
const link = { op: sha256("op"), output: 0, input: 0, selector: "" };

function remember(store: Store, chain: readonly string[], result: SnapshotId | null): void {
  const links = chain.slice(1).map((child, i) => ({ parent: key(chain[i]!), link, child: key(child) }));
  const record = {
    key: key(chain.at(-1)!),
    result: (result === null ? "scratch" : `snapshot:${result}`) as ResultId,
    createdAt: 1,
    description: "step",
    fields: [],
    durationMs: 1,
  };
  store.cache.save({ links, records: [record] });
}

function putImage(store: Store, snapshot: SnapshotId | null, layers: readonly Digest[] = []): void {
  const config = store.blobs.write(Buffer.from('{"os":"linux"}'));
  const describe = (digest: Digest, size: number, mediaType: string): object => ({ digest, size, mediaType });
  const manifest = {
    schemaVersion: 2,
    config: describe(config, 14, mediaTypes.ociConfig),
    layers: layers.map((digest) => describe(digest, 1, mediaTypes.ociLayerGzip)),
  };
  const digest = store.blobs.write(Buffer.from(JSON.stringify(manifest)));
  const index = { schemaVersion: 2, manifests: [describe(digest, 1, mediaTypes.ociManifest)] };
  store.images.put({
    name: "app",
    manifest: store.blobs.write(Buffer.from(JSON.stringify(index))),
    config,
    snapshot,
    origin: "built",
  });
}

/** Runs `make` in one store and gives another: what the first made is not held any more. */
async function afterwards<T>(
  make: (store: Store) => T | Promise<T>,
): Promise<{ store: Store; root: string; made: T }> {
  const root = temporaryRoot();
  const first = openAt(root);
  const made = await make(first);
  await first.close();
  return { store: openAt(root), root, made };
}

describe("prune", () => {
  it("removes what nothing keeps", async () => {
    const { store, root } = await afterwards((first) => {
      layer(first, layer(first, null));
      first.blobs.write(Buffer.from("loose"));
    });
    expect(await prune(store, { all: false })).toEqual({
      records: 0,
      snapshots: 2,
      layers: 2,
      blobs: 1,
      blobBytes: 5,
      cacheMounts: 0,
    });
    expect([names(root, "snapshots"), names(root, "blobs/sha256"), names(root, "trash")]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it("keeps what records have, with all parents", async () => {
    const { store, made } = await afterwards((first) => {
      const top = layer(first, layer(first, null));
      layer(first, null);
      remember(first, ["a", "b"], top);
      return top;
    });
    expect(await prune(store, { all: false })).toMatchObject({ records: 0, snapshots: 1 });
    expect(store.snapshots.lowers(made)).toHaveLength(2);
    expect(store.cache.linked(key("a"), link)).toEqual(["b"]);
  });

  it("--all removes records, but keeps images and the records of what they have", async () => {
    const { store, made } = await afterwards((first) => {
      const base = layer(first, null);
      const top = layer(first, base);
      const other = layer(first, base);
      remember(first, ["a", "b", "top"], top);
      remember(first, ["a", "c", "d", "other"], other);
      remember(first, ["nothing"], null);
      first.memo.set("kind", "key", Buffer.from("value"));
      putImage(first, top);
      return { top, other };
    });
    expect(await prune(store, { all: true })).toMatchObject({
      records: 2,
      snapshots: 1,
      layers: 1,
      blobs: 0,
    });
    expect(store.snapshots.lowers(made.top)).toHaveLength(2);
    expect(store.snapshots.exists(made.other)).toBe(false);
    expect(store.cache.records(key("top"))).toHaveLength(1);
    expect(store.cache.records(key("other"))).toEqual([]);
    expect(store.cache.linked(key("a"), link)).toEqual(["b", "c"]);
    expect(store.cache.linked(key("c"), link)).toEqual([]);
    expect(store.memo.get("kind", "key")).toBeUndefined();
    expect(await fsck(store)).toEqual([]);
  });

  it("keeps a layer folder as long as one snapshot has it", async () => {
    const { store, made } = await afterwards(async (first) => {
      const top = layer(first, layer(first, null, "base"), "top");
      const moved = first.snapshots.stack(
        layer(first, null, "new base"),
        (await first.snapshots.wholeLayers(top)).slice(1),
      )!;
      remember(first, ["moved"], moved);
      return { top, moved };
    });
    expect(await prune(store, { all: false })).toMatchObject({ snapshots: 2, layers: 1 });
    expect(store.snapshots.lowers(made.moved)).toHaveLength(2);
    expect(await fsck(store)).toEqual([]);
  });

  it("keeps blobs that an image's index and manifests name", async () => {
    const { store, made } = await afterwards((first) => {
      const packed = first.blobs.write(Buffer.from("layer"));
      putImage(first, null, [packed]);
      first.blobs.write(Buffer.from("loose"));
      return packed;
    });
    expect(await prune(store, { all: true })).toMatchObject({ blobs: 1, blobBytes: 5 });
    expect(store.blobs.has(made)).toBe(true);
    store.images.remove("app");
    await store.close();
  });

  it("keeps compressed forms as long as the layer is there", async () => {
    const diffId = sha256("tar") as string as DiffId;
    const { store, made } = await afterwards((first) => {
      const id = layer(first, null);
      first.snapshots.setDiff(first.snapshots.layers(id)[0]!.id, { diffId, sizeBytes: 10 });
      const digest = first.blobs.write(Buffer.from("gz"));
      first.blobs.setCompressed(diffId, "gzip-6", { mediaType: mediaTypes.ociLayerGzip, digest, size: 2 });
      remember(first, ["k"], id);
      return digest;
    });
    expect(await prune(store, { all: false })).toMatchObject({ blobs: 0 });
    expect(await prune(store, { all: true })).toMatchObject({ blobs: 1, layers: 1 });
    expect(store.blobs.has(made)).toBe(false);
    expect(store.blobs.compressed(diffId, "any")).toBeUndefined();
  });

  it("survives an image whose manifest is not JSON", async () => {
    const { store } = await afterwards((first) => {
      const blob = first.blobs.write(Buffer.from("\x00 not json"));
      first.images.put({ name: "odd", manifest: blob, config: blob, snapshot: null, origin: "imported" });
    });
    expect(await prune(store, { all: true })).toMatchObject({ blobs: 0 });
  });

  it("removes the lock files of an earlier version, and keeps what is locked", async () => {
    const { store, root } = await afterwards(() => undefined);
    const held = await store.locks.acquire("held", new AbortController().signal);
    mkdirSync(`${root}/v1/locks`);
    writeFileSync(`${root}/v1/locks/${"0".repeat(64)}`, "");
    await prune(store, { all: false });
    expect(existsSync(`${root}/v1/locks`)).toBe(false);
    await expect(openAt(root).locks.acquire("held", AbortSignal.timeout(30))).rejects.toMatchObject({
      code: "TSB_CANCELED",
    });
    held.release();
  });
});
