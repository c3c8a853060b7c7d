import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, sha256, TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { type Descriptor, mediaTypes, parseManifest, parseReference } from "@tsbuild/oci";
import { createRegistryClient, type RegistryClient } from "@tsbuild/registry";
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

/** One kind of fault each, with its numbers drawn from the script's seed. */
function faults(draw: () => number, request: RegistryRequest): readonly (() => Fault)[] {
  const somewhere = (): number => Math.floor(draw() * SIZE);
  const status = (code: number, headers: Record<string, string> = {}): Fault => ({
    type: "status",
    status: code,
    headers,
    body: draw() < 0.5 ? '{"errors":[{"code":"TEST","message":"no"}]}' : "<html>proxy</html>",
  });
  const later = new Date(Date.now() + draw() * 300_000).toUTCString();
  const common = [
    ...[401, 403, 404, 500, 502, 503].map((code) => () => status(code)),
    () => status(429, { "retry-after": later }),
    () => status(429, { "retry-after": "nonsense" }),
    () => status(401, { "www-authenticate": 'Bearer realm="http://127.0.0.1:9/token",service="x"' }),
    () => ({ type: "redirect", to: REDIRECTS[Math.floor(draw() * REDIRECTS.length)] ?? "/" }) as const,
    () => ({ type: "silent" }) as const,
  ];
  if (request.method !== "GET" || request.path.includes("/uploads/"))
    return [...common, () => ({ type: "hang-up", afterBytes: somewhere() }) as const];
  return [
    ...common,
    () => ({ type: "cut", afterBytes: somewhere() }) as const,
    () => ({ type: "cut", afterBytes: somewhere() }) as const,
    () => ({ type: "corrupt" }) as const,
    () => ({ type: "endless" }) as const,
    () => ({ type: "ignore-range" }) as const,
    () => ({ type: "lying-range" }) as const,
    () => ({ type: "wrong-length", by: Math.floor(draw() * 200) - 100 }) as const,
    () => ({ type: "headers", headers: { "content-type": "text/html" } }) as const,
  ];
}

/** Up to four faults somewhere in a conversation; a script in ten has no end of them. */
function script(seed: number): (request: RegistryRequest) => Fault | undefined {
  const draw = random(seed);
  let left = seed % 10 === 0 ? Number.POSITIVE_INFINITY : 1 + Math.floor(draw() * 4);
  return (request) => {
    if (left === 0 || draw() > 0.5) return undefined;
    left -= 1;
    const choices = faults(draw, request);
    return choices[Math.floor(draw() * choices.length)]?.();
  };
}

describe("a registry that fails in every way", () => {
  let registry: TestRegistry;
  let client: RegistryClient;

  beforeEach(async () => {
    registry = await startRegistry();
    // Waits are told, not slept.
    const patience = { attempts: 4, idleMs: 100, sleep: async () => undefined };
    client = createRegistryClient({ hosts: {}, patience });
  });
  afterEach(async () => {
    await client.close();
    await registry.close();
  });

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
        const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: blob, layers: [] };
        const digest = registry.manifest("x", "1", document, mediaTypes.ociManifest);
        registry.onRequest = script(seed);
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
      rmSync(root, { recursive: true, force: true });
    }
    expect(succeeded).toBeGreaterThan(40);
    expect(succeeded).toBeLessThan(200);
  }, 90_000);

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
      registry.onRequest = script(seed + 5000);
      const chunkBytes = seed % 3 === 0 ? 40_000 : undefined;
      const failure = await push(content, `t${seed}`, chunkBytes).then(
        () => undefined,
        (error: unknown) => error ?? "nothing",
      );
      if (failure !== undefined) expectClear(failure, seed);
      else succeeded += 1;
      const tagged = registry.manifestBytes("y", `t${seed}`) !== undefined;
      if (failure === undefined) expect(tagged, `script ${seed}`).toBe(true);
      if (!tagged) continue;
      const stored = registry.blobBytes(sha256(content));
      expect(stored !== undefined && Buffer.from(stored).equals(content), `script ${seed}`).toBe(true);
    }
    expect(succeeded).toBeGreaterThan(40);
    expect(succeeded).toBeLessThan(200);
  }, 90_000);
});
