import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { chainId, type DiffId, type Digest, hostPlatform, sha256, TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { type Descriptor, mediaTypes, parseManifest, parseReference, writeTar } from "@tsbuild/oci";
import { createImageProvider } from "@tsbuild/ops";
import { createRegistryClient, type RegistryClient } from "@tsbuild/registry";
import type { OpContext } from "@tsbuild/solver";
import { fsck, openStore, type Store } from "@tsbuild/store";
import { type Fault, type RegistryRequest, startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** Seeded, so that a script that fails can be run again: numbers of [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function bytesOf(seed: number, size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, i) =>
    createHash("sha256").update(`${seed} ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

const SIZE = 150_000;
const REDIRECTS = ["http://127.0.0.1:9/gone", "/v2/", "ftp://127.0.0.1/x", "http://[", "/v2/x/manifests/1"];
const CREDENTIALS = { type: "password", username: "u", password: "secret" } as const;

/** How a fault is called in the tally of those that were met. */
function nameOf(fault: Fault): string {
  return fault.type === "status" ? `status ${fault.status}` : fault.type;
}

/** One kind of fault each, with its numbers drawn from the script's seed. */
function faults(draw: () => number, request: RegistryRequest, elsewhere: string): readonly (() => Fault)[] {
  const somewhere = (): number => Math.floor(draw() * SIZE);
  const status = (code: number, headers: Record<string, string> = {}): Fault => ({
    type: "status",
    status: code,
    headers,
    body: draw() < 0.5 ? '{"errors":[{"code":"TEST","message":"no"}]}' : "<html>proxy</html>",
  });
  const later = new Date(Date.now() + draw() * 300_000).toUTCString();
  const common = [
    ...[400, 401, 403, 404, 408, 413, 500, 502, 503, 504].map((code) => () => status(code)),
    () => status(429, { "retry-after": later }),
    () => status(429, { "retry-after": "nonsense" }),
    () => status(401, { "www-authenticate": 'Bearer realm="http://127.0.0.1:9/token",service="x"' }),
    () => ({ type: "redirect", to: REDIRECTS[Math.floor(draw() * REDIRECTS.length)] ?? "/" }) as const,
    // Another host that has it, as registries send to their storage.
    () => ({ type: "redirect", to: `http://${elsewhere}${request.path}` }) as const,
    () => ({ type: "silent" }) as const,
  ];
  if (request.method !== "GET" || request.path.includes("/uploads/"))
    return [...common, () => ({ type: "hang-up", afterBytes: somewhere() }) as const];
  return [
    ...common,
    () => ({ type: "cut", afterBytes: somewhere() }) as const,
    () => ({ type: "cut", afterBytes: somewhere() }) as const,
    () => ({ type: "corrupt" }) as const,
    () => ({ type: "corrupt-tail", afterBytes: somewhere() }) as const,
    () => ({ type: "short", afterBytes: somewhere() }) as const,
    () => ({ type: "slow", pieces: 1 + Math.floor(draw() * 10) }) as const,
    () => ({ type: "endless" }) as const,
    () => ({ type: "ignore-range" }) as const,
    () => ({ type: "lying-range" }) as const,
    () => ({ type: "wrong-length", by: Math.floor(draw() * 200) - 100 }) as const,
    () => ({ type: "headers", headers: { "content-type": "text/html" } }) as const,
  ];
}

const COMMON = [
  ...["status 400", "status 401", "status 403", "status 404", "status 408", "status 413", "status 429"],
  ...["status 500", "status 502", "status 503", "status 504", "redirect", "silent"],
];
const OF_BODIES = [
  ...["cut", "corrupt", "corrupt-tail", "short", "slow", "endless"],
  ...["ignore-range", "lying-range", "wrong-length", "headers"],
];

interface Scripts {
  /** Host that redirects lead to. */
  readonly elsewhere: string;
  /** Names of the faults that were met. */
  readonly met: Set<string>;
}

/** Up to four faults somewhere in a conversation; a script in ten has no end of them. */
function script(seed: number, { elsewhere, met }: Scripts): (request: RegistryRequest) => Fault | undefined {
  const draw = random(seed);
  let left = seed % 10 === 0 ? Number.POSITIVE_INFINITY : 1 + Math.floor(draw() * 4);
  return (request) => {
    if (left === 0 || draw() > 0.5) return undefined;
    left -= 1;
    const choices = faults(draw, request, elsewhere);
    const fault = choices[Math.floor(draw() * choices.length)]?.();
    if (fault !== undefined) met.add(nameOf(fault));
    return fault;
  };
}

interface TestImage {
  readonly name: string;
  readonly manifest: Digest;
  readonly layers: readonly { readonly blob: Descriptor; readonly bytes: Buffer; readonly diffId: DiffId }[];
}

/** One layer that is unpacked while it comes, and one that is small. */
async function imageOf(registry: TestRegistry, seed: number): Promise<TestImage> {
  const layers = [];
  for (const size of [1_100_000, 2_000]) {
    const metadata = { type: "file", mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n } as const;
    const body = bytesOf(seed, size);
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeTar([{ entry: { ...metadata, path: `f${size}`, size }, body }]))
      chunks.push(Buffer.from(chunk));
    const tar = Buffer.concat(chunks);
    const bytes = gzipSync(tar, { level: 0 });
    const blob = { mediaType: mediaTypes.ociLayerGzip, digest: registry.blob(bytes), size: bytes.length };
    layers.push({ blob, bytes, diffId: sha256(tar) as string as DiffId });
  }
  const diffIds = layers.map(({ diffId }) => diffId);
  const config = Buffer.from(
    JSON.stringify({ ...hostPlatform(), rootfs: { type: "layers", diff_ids: diffIds } }),
  );
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: registry.blob(config), size: config.length },
    layers: layers.map(({ blob }) => blob),
  };
  const manifest = registry.manifest(`image${seed}`, "1", document, mediaTypes.ociManifest);
  return { name: `${registry.host}/image${seed}:1`, manifest, layers };
}

describe("a registry that fails in every way", () => {
  let registry: TestRegistry;
  let elsewhere: TestRegistry;
  let client: RegistryClient;
  let scripts: Scripts;

  beforeEach(async () => {
    registry = await startRegistry();
    elsewhere = await startRegistry();
    scripts = { elsewhere: elsewhere.host, met: new Set() };
    // Waits are told, not slept.
    const patience = { attempts: 4, idleMs: 100, sleep: async () => undefined };
    const credentials = { find: async () => ({ credential: CREDENTIALS }) };
    client = createRegistryClient({ hosts: {}, patience, credentials });
  });
  afterEach(async () => {
    await client.close();
    await registry.close();
    await elsewhere.close();
  });

  /** Half of the scripts need a token; faults meet the token server, too. */
  function begin(seed: number): void {
    registry.token = seed % 2 === 0 ? "token" : undefined;
    registry.onRequest = script(seed, scripts);
  }

  /** Of each kind of fault that there is some were met; no credentials went to where redirects lead. */
  function expectMet(names: readonly string[]): void {
    expect([...scripts.met].sort()).toEqual([...names].sort());
    expect(elsewhere.requests.length).toBeGreaterThan(0);
    const told = elsewhere.requests.filter(({ headers }) => headers["authorization"] !== undefined);
    expect(told).toEqual([]);
  }

  /** What every failure must be: one of ours, that names the host or what is wrong. */
  function expectClear(error: unknown, seed: number): void {
    expect(error, `script ${seed}: ${error instanceof Error ? error.stack : String(error)}`).toBeInstanceOf(
      TsbuildError,
    );
    expect(String(error), `script ${seed}`).toMatch(/127\.0\.0\.1|sha256:/);
  }

  async function pull(store: Store, blob: Descriptor): Promise<Digest> {
    const reference = parseReference(`${registry.host}/x:1`);
    const manifest = await client.manifest(reference);
    expect(parseManifest(manifest.bytes).config.digest).toBe(blob.digest);
    await store.blobs.ingest(client.blob(reference, blob), blob);
    return manifest.digest;
  }

  test("200 pulls: the right bytes or a clear error, and nothing wrong in the store", async () => {
    const root = mkdtempSync(join(tmpdir(), "tsbuild-faults-"));
    const store = await openStore({ root, native: nativeFs });
    let succeeded = 0;
    try {
      for (let seed = 1; seed <= 200; seed++) {
        const content = bytesOf(seed, SIZE);
        const blob = { mediaType: mediaTypes.ociLayer, digest: registry.blob(content), size: SIZE };
        elsewhere.blob(content);
        const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: blob, layers: [] };
        const digest = registry.manifest("x", "1", document, mediaTypes.ociManifest);
        begin(seed);
        const result = await pull(store, blob).catch((error: unknown) => error);
        if (typeof result !== "string") {
          expectClear(result, seed);
          continue;
        }
        succeeded += 1;
        expect(result).toBe(digest);
        expect(Buffer.from(store.blobs.read(blob.digest)).equals(content), `script ${seed}`).toBe(true);
      }
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 10 });
    }
    expect(succeeded).toBeGreaterThan(40);
    expect(succeeded).toBeLessThan(200);
    expectMet([...COMMON, ...OF_BODIES]);
  }, 300_000);

  test("40 images, unpacked while they come: whole, or nothing of them to be seen", async () => {
    const root = mkdtempSync(join(tmpdir(), "tsbuild-faults-"));
    const store = await openStore({ root, native: nativeFs });
    const env = { store, fs: nativeFs, userxattr: process.getuid?.() !== 0 };
    const { signal } = new AbortController();
    const vertex = sha256("vertex") as string as OpContext["vertex"];
    const context: OpContext = { vertex, signal, emit: () => undefined, ignoreCache: false };
    let succeeded = 0;
    try {
      for (let seed = 1; seed <= 40; seed++) {
        const image = await imageOf(registry, 20_000 + seed);
        for (const { bytes } of image.layers) elsewhere.blob(bytes);
        begin(9000 + seed);
        const images = createImageProvider({ env, registry: async () => client, pull: false, signal });
        const failure = await images
          .resolve(image.name, { platform: hostPlatform() })
          .then((found) => images.unpack(found, context))
          .then(
            () => undefined,
            (error: unknown) => error ?? "nothing",
          );
        if (failure === undefined) succeeded += 1;
        else expectClear(failure, seed);
        const top = chainId(image.layers.map(({ diffId }) => diffId));
        const snapshot = top === undefined ? undefined : store.snapshots.byChainId(top);
        expect(snapshot === undefined, `script ${seed}`).toBe(failure !== undefined);
        for (const { blob, bytes } of image.layers)
          if (store.blobs.has(blob.digest))
            expect(Buffer.from(store.blobs.read(blob.digest)).equals(bytes), `script ${seed}`).toBe(true);
        // One folder a layer, and of what failed none.
        expect(readdirSync(join(root, "v1/snapshots")).length, `script ${seed}`).toBe(2 * succeeded);
      }
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 10 });
    }
    expect(succeeded).toBeGreaterThan(8);
    expect(succeeded).toBeLessThan(40);
  }, 300_000);

  async function push(content: Buffer, name: string, chunkBytes: number | undefined): Promise<void> {
    const reference = parseReference(`${registry.host}/y:${name}`);
    const digest = sha256(content);
    const open = async function* (offset: number): AsyncGenerator<Uint8Array> {
      for (let at = offset; at < content.length; at += 16_384) yield content.subarray(at, at + 16_384);
    };
    await client.pushBlob(reference, { digest, size: content.length, open }, { chunkBytes });
    const config = { mediaType: mediaTypes.ociConfig, digest, size: content.length };
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] }),
    );
    const manifest = { digest: sha256(bytes), mediaType: mediaTypes.ociManifest, bytes };
    await client.pushManifests({ reference, manifests: [manifest], tags: [name] });
  }

  test("200 pushes: whole, or a clear error and no name for what is not", async () => {
    let succeeded = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const content = bytesOf(10_000 + seed, SIZE);
      begin(seed + 5000);
      const chunkBytes = seed % 3 === 0 ? 40_000 : undefined;
      const failure = await push(content, `t${seed}`, chunkBytes).then(
        () => undefined,
        (error: unknown) => error ?? "nothing",
      );
      if (failure !== undefined) expectClear(failure, seed);
      else succeeded += 1;
      // A registry may send uploads to another host: then that has it, or part of it.
      const places = [registry, elsewhere];
      const tagged = places.some((place) => place.manifestBytes("y", `t${seed}`) !== undefined);
      if (failure === undefined) expect(tagged, `script ${seed}`).toBe(true);
      if (!tagged) continue;
      const stored = places.map((place) => place.blobBytes(sha256(content))).find((bytes) => bytes);
      expect(stored !== undefined && Buffer.from(stored).equals(content), `script ${seed}`).toBe(true);
    }
    expect(succeeded).toBeGreaterThan(40);
    expect(succeeded).toBeLessThan(200);
    expectMet([...COMMON, "hang-up"]);
  }, 300_000);
});
