import type { DiffId, Digest } from "@tsbuild/base";
import type { Store } from "@tsbuild/store";
import { expect, test } from "vitest";
import { type PackListener, packOnce } from "../src/packing.ts";
import type { CommittedLayer } from "../src/types.ts";

const gzip = { compression: "gzip" } as const;
const packed: CommittedLayer = {
  diffId: "sha256:x" as DiffId,
  sizeBytes: 1,
  folder: "/x",
  createdMs: 0,
};

test("a layer that is being packed is waited for, and everyone is told how far it is", async () => {
  const store = {} as Store;
  const { promise, resolve } = Promise.withResolvers<CommittedLayer>();
  const told: string[] = [];
  let tell: PackListener = {};
  const first = packOnce(store, { id: 1, compress: gzip, listener: {} }, (listener) => {
    tell = listener;
    return promise;
  });
  const listener = { onProgress: () => void told.push("how far"), onBlob: () => void told.push("blob") };
  const wanted = { id: 1, compress: gzip, listener };
  const second = packOnce(store, wanted, () => Promise.reject(new Error("packed twice")));
  tell.onProgress?.({ id: "compressing layers", current: 1 });
  tell.onBlob?.({ digest: "sha256:y" as Digest, size: 1, bytes: Buffer.of(1) });
  resolve(packed);
  expect(await first).toBe(packed);
  expect(await second).toBe(packed);
  expect(told).toEqual(["how far", "blob"]);
});

test("another layer, another form and another store are packed for themselves", async () => {
  const [store, other] = [{} as Store, {} as Store];
  let count = 0;
  const pack = (where: Store, id: number, compress?: typeof gzip) =>
    packOnce(where, { id, compress, listener: {} }, async () => {
      count += 1;
      return packed;
    });
  await Promise.all([pack(store, 1, gzip), pack(store, 2, gzip), pack(store, 1), pack(other, 1, gzip)]);
  expect(count).toBe(4);
});

test("a failure is everyone's, and the next one tries again", async () => {
  const store = {} as Store;
  const wanted = { id: 1, compress: gzip, listener: {} };
  const failing = () => Promise.reject(new Error("the disk is full"));
  const both = [packOnce(store, wanted, failing), packOnce(store, wanted, failing)];
  for (const one of both) await expect(one).rejects.toThrow("the disk is full");
  expect(await packOnce(store, wanted, () => Promise.resolve(packed))).toBe(packed);
});

test("who waits for a build that is given up packs for itself", async () => {
  const store = {} as Store;
  const wanted = { id: 1, compress: gzip, listener: {} };
  const first = packOnce(store, wanted, () => Promise.reject(new Error("given up")));
  const second = packOnce(store, wanted, () => Promise.resolve(packed));
  await expect(first).rejects.toThrow("given up");
  expect(await second).toBe(packed);
});
