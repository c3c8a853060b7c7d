import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SnapshotId, sha256 } from "@tsbuild/base";
import type { LayoutBlob } from "@tsbuild/oci";
import { createRegistryClient, type RegistryClient } from "@tsbuild/registry";
import { openStore, type Store } from "@tsbuild/store";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commitImage } from "../src/commit.ts";
import { EarlyPushes } from "../src/early-push.ts";
import { exportResult } from "../src/export.ts";
import { bytesFrom } from "../src/pushing.ts";
import type { CommittedImage, ExportRequest } from "../src/types.ts";

let folder = "";
let store: Store;
let registry: TestRegistry;
let client: RegistryClient;

beforeEach(async () => {
  folder = mkdtempSync("/var/tmp/tsbuild-early-push-");
  store = openStore({ root: join(folder, "state") });
  registry = await startRegistry();
  client = createRegistryClient({ hosts: {}, patience: { sleep: async () => undefined } });
});
afterEach(async () => {
  await client.close();
  await registry.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const output = (attrs: Readonly<Record<string, string>> = {}): ExportRequest => ({
  type: "registry",
  attrs: { name: `${registry.host}/team/app:1`, ...attrs },
});

function early(one: ExportRequest): EarlyPushes {
  const { signal } = new AbortController();
  const outputs = { outputs: [one], names: [], compress: { compression: "gzip" } as const };
  return new EarlyPushes(outputs, { store, signal, registry: async () => client });
}

function layer(): SnapshotId {
  const active = store.snapshots.prepare(null, { inPlace: true });
  writeFileSync(join(active.upper, "file"), "content");
  return store.snapshots.commit(active);
}

function commit(pushes: Pick<EarlyPushes, "packing" | "blob" | "layer" | "config">): Promise<CommittedImage> {
  return commitImage(store, {
    config: { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] } },
    snapshot: layer(),
    names: [],
    platform: { os: "linux", architecture: "amd64" },
    register: false,
    compress: { compression: "gzip" },
    onPacking: pushes.packing,
    onBlob: pushes.blob,
    onLayer: pushes.layer,
    onConfig: pushes.config,
  });
}

async function push(one: ExportRequest, image: CommittedImage, pushes: EarlyPushes) {
  const { signal } = new AbortController();
  const told: string[] = [];
  const exported = await exportResult(one, image, {
    store,
    signal,
    registry: async () => client,
    pushing: await pushes.of(one),
    onProgress: ({ id }) => told.push(id),
  });
  return { exported, told };
}

const blobOf = ({ layers }: CommittedImage) => store.blobs.compressed(layers[0]!.diffId, "any")!.digest;
const uploads = () => registry.requests.filter(({ method }) => method === "PUT" || method === "PATCH");

test("layers and config are sent before there is a push, which sends the manifest alone and tells of all", async () => {
  const one = output();
  const pushes = early(one);
  const image = await commit(pushes);
  const arrived = () => [blobOf(image), image.imageId].map((digest) => registry.blobBytes(digest));
  await expect.poll(arrived, { timeout: 120_000 }).not.toContain(undefined);
  const before = uploads().length;
  const { exported, told } = await push(one, image, pushes);
  await pushes.end();
  expect(uploads().slice(before)).toMatchObject([{ path: expect.stringContaining("/manifests/") }]);
  expect(exported.pushed).toEqual([`${registry.host}/team/app:1`]);
  expect(registry.manifestBytes("team/app", "1")).toBeDefined();
  for (const digest of [blobOf(image), image.imageId]) expect(told).toContain(`pushing ${digest}`);
});

test("a layer leaves when its bytes are known, and its reader finds them before and after they have their name", async () => {
  const blobs: LayoutBlob[] = [];
  const read = async (blob: LayoutBlob) => {
    const parts: Uint8Array[] = [];
    for await (const part of bytesFrom(blob, 0)) parts.push(Buffer.from(part));
    return sha256(Buffer.concat(parts));
  };
  let early: Promise<string> | undefined;
  const onBlob = (blob: LayoutBlob): void => {
    blobs.push(blob);
    early = read(blob);
  };
  const image = await commit({
    packing: () => undefined,
    blob: onBlob,
    layer: () => undefined,
    config: () => undefined,
  });
  expect(blobs.map(({ digest }) => digest)).toEqual([blobOf(image)]);
  expect([await early, await read(blobs[0]!)]).toEqual([blobOf(image), blobOf(image)]);
});

test("an output that wants other blobs than those of the commit gets nothing early", async () => {
  for (const attrs of [
    { compression: "zstd" },
    { "force-compression": "true" },
    { compression: "estargz" },
  ]) {
    const one = output(attrs);
    const pushes = early(one);
    await commit(pushes);
    expect(await pushes.of(one)).toBeUndefined();
    await pushes.end();
  }
  expect(registry.requests).toEqual([]);
});

test("what went wrong early is told by the push, and there is no name", async () => {
  registry.onRequest = ({ method }) => (method === "PUT" ? { type: "status", status: 403 } : undefined);
  const one = output();
  const pushes = early(one);
  const image = await commit(pushes);
  await expect(push(one, image, pushes)).rejects.toMatchObject({ message: expect.stringContaining("403") });
  await pushes.end();
  expect(registry.manifestBytes("team/app", "1")).toBeUndefined();
});

test("what nobody waits for any more is given up", async () => {
  registry.onRequest = ({ method }) => (method === "PUT" ? { type: "silent" } : undefined);
  const pushes = early(output());
  const image = await commit(pushes);
  await expect.poll(() => uploads().length, { timeout: 120_000 }).toBe(2);
  await pushes.end();
  expect(registry.blobBytes(image.imageId)).toBeUndefined();
});
