import { type Digest, sha256 } from "@tsbuild/base";
import { type ImageRecord, prune, type Store } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { layer, openAt, temporaryRoot } from "./world.ts";

function image(store: Store, over: Partial<ImageRecord> = {}): Omit<ImageRecord, "createdAt"> {
  return {
    name: "docker.io/library/app:latest",
    manifest: store.blobs.write(Buffer.from("{}")),
    config: store.blobs.write(Buffer.from('{"os":"linux"}')),
    snapshot: null,
    origin: "built",
    ...over,
  };
}

describe("image store", () => {
  it("keeps what a name stands for", () => {
    const store = openAt(temporaryRoot());
    const put = image(store, { snapshot: layer(store, null) });
    store.images.put(put);
    expect(store.images.get(put.name)).toEqual({ ...put, createdAt: expect.any(Number) });
    expect(store.images.get("docker.io/library/other:latest")).toBeUndefined();
  });

  it("tells no layers from layers that are not unpacked", () => {
    const store = openAt(temporaryRoot());
    store.images.put(image(store, { name: "scratch", snapshot: null }));
    store.images.put(image(store, { name: "packed", snapshot: undefined, origin: "pulled" }));
    expect(store.images.get("scratch")?.snapshot).toBeNull();
    expect(store.images.get("packed")?.snapshot).toBeUndefined();
    expect(store.images.list().map((one) => one.name)).toEqual(["packed", "scratch"]);
  });

  it("replaces, removes and finds by digest", () => {
    const store = openAt(temporaryRoot());
    const first = image(store);
    const second = image(store, { manifest: store.blobs.write(Buffer.from('{"schemaVersion":2}')) });
    store.images.put(first);
    store.images.put(second);
    expect(store.images.list()).toHaveLength(1);
    expect(store.images.byDigest(first.manifest)).toBeUndefined();
    expect(store.images.byDigest(second.manifest)?.name).toBe(second.name);
    expect(store.images.remove(first.name)).toBe(true);
    expect(store.images.remove(first.name)).toBe(false);
    expect(store.images.list()).toEqual([]);
  });

  it("leaves a name alone that stands for the same already", async () => {
    const store = openAt(temporaryRoot());
    store.images.put(image(store));
    const before = store.images.get(image(store).name)!.createdAt;
    while (Date.now() === before) await new Promise((resolve) => setImmediate(resolve));
    store.images.put(image(store));
    expect(store.images.get(image(store).name)!.createdAt).toBe(before);
    store.images.put(image(store, { origin: "imported" }));
    expect(store.images.get(image(store).name)!.createdAt).toBeGreaterThan(before);
  });

  it("does not name what is not there", () => {
    const store = openAt(temporaryRoot());
    const absent: Digest = sha256("absent");
    for (const over of [{ manifest: absent }, { config: absent }, { snapshot: "77" as never }]) {
      expect(() => store.images.put(image(store, over))).toThrow(
        expect.objectContaining({ code: "TSB_STORE" }),
      );
    }
    expect(store.images.list()).toEqual([]);
  });
});

describe("a name that stands for an index", () => {
  function indexOf(store: Store) {
    const image = (text: string, snapshot = layer(store, null)) => ({
      manifest: store.blobs.write(Buffer.from(`{"config":{"digest":"${sha256(Buffer.from(text))}"}}`)),
      config: store.blobs.write(Buffer.from(text)),
      snapshot,
    });
    const [amd, arm] = [image("amd"), image("arm")];
    const listed = JSON.stringify({ manifests: [{ digest: arm.manifest }, { digest: amd.manifest }] });
    const digest = store.blobs.write(Buffer.from(listed));
    return {
      amd,
      arm,
      put: { name: "app", origin: "built" as const, ...amd, index: { digest, variants: [arm, amd] } },
    };
  }

  it("is found by every digest in it, as the image that has it", () => {
    const store = openAt(temporaryRoot());
    const { amd, arm, put } = indexOf(store);
    store.images.put(put);
    expect(store.images.get("app")).toEqual({ ...put, createdAt: expect.any(Number) });
    expect(store.images.byDigest(put.index.digest)).toMatchObject(amd);
    expect(store.images.byDigest(arm.manifest)).toMatchObject({ ...arm, name: "app" });
  });

  it("keeps the layers and blobs of all of them, and none after it is gone", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    const { arm, put } = indexOf(first);
    first.images.put(put);
    await first.close();
    const second = openAt(root);
    await prune(second, { all: true });
    expect(second.snapshots.exists(arm.snapshot)).toBe(true);
    for (const digest of [arm.manifest, arm.config, put.index.digest])
      expect(second.blobs.has(digest)).toBe(true);
    second.images.remove("app");
    await second.close();
    const third = openAt(root);
    await prune(third, { all: true });
    expect(third.snapshots.exists(arm.snapshot)).toBe(false);
    expect(third.blobs.has(arm.manifest)).toBe(false);
  });

  it("is a plain image again once one is put under it", () => {
    const store = openAt(temporaryRoot());
    const { put } = indexOf(store);
    store.images.put(put);
    store.images.put(image(store, { name: "app" }));
    expect(store.images.get("app")).not.toHaveProperty("index");
    expect(store.images.byDigest(put.index.digest)).toBeUndefined();
  });
});
