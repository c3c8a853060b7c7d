import { randomBytes } from "node:crypto";
import { TsbuildError } from "@tsbuild/base";
import { type Descriptor, mediaTypes, parseReference } from "@tsbuild/oci";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRegistryClient, type RegistryClient } from "../src/index.ts";

let registry: TestRegistry;
let client: RegistryClient;

beforeEach(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ hosts: {} });
});
afterEach(async () => {
  await client.close();
  await registry.close();
});

const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: {}, layers: [] };

function descriptor(bytes: Uint8Array): Descriptor {
  return { mediaType: mediaTypes.ociLayer, digest: registry.blob(bytes), size: bytes.length };
}

async function read(blob: Descriptor): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.blob(parseReference(`${registry.host}/x`), blob)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function failure(promise: Promise<unknown>): Promise<TsbuildError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TsbuildError);
  return error as TsbuildError;
}

describe("manifests", () => {
  test("by tag, over plain HTTP on loopback", async () => {
    const digest = registry.manifest("team/app", "1.0", manifest, mediaTypes.ociManifest);
    const found = await client.manifest(parseReference(`${registry.host}/team/app:1.0`));
    expect(found).toMatchObject({ digest, mediaType: mediaTypes.ociManifest });
  });

  test("by digest, other bytes are refused", async () => {
    const digest = registry.manifest("x", "t", manifest, mediaTypes.ociManifest);
    registry.onRequest = () => ({ type: "corrupt" });
    const error = await failure(client.manifest(parseReference(`${registry.host}/x@${digest}`)));
    expect(error.code).toBe("TSB_INTEGRITY");
    expect(error.message).toContain(digest);
  });

  test("what is not there is said with the registry's words", async () => {
    const error = await failure(client.manifest(parseReference(`${registry.host}/nothing:1`)));
    expect(error).toMatchObject({ code: "TSB_RESOLVE" });
    expect(error.message).toMatch(/nothing:1.*404.*manifest unknown/);
  });

  test("nobody listens", async () => {
    const error = await failure(client.manifest(parseReference("127.0.0.1:9/x")));
    expect(error.message).toMatch(/cannot reach 127\.0\.0\.1:9: ECONNREFUSED/);
  });

  test("a bearer challenge is answered with a token", async () => {
    registry.token = "secret";
    registry.manifest("x", "t", manifest, mediaTypes.ociManifest);
    await client.manifest(parseReference(`${registry.host}/x:t`));
    expect(registry.requests.map((request) => request.path.split("?")[0])).toEqual([
      "/v2/x/manifests/t",
      "/token",
      "/v2/x/manifests/t",
    ]);
  });

  test("a token stays with the origin that it was made for", async () => {
    const other = await startRegistry();
    other.manifest("x", "t", manifest, mediaTypes.ociManifest);
    registry.token = "secret";
    registry.onRequest = (request) =>
      request.headers["authorization"] === undefined
        ? undefined
        : { type: "redirect", to: `http://${other.host}/v2/x/manifests/t` };
    await client.manifest(parseReference(`${registry.host}/x:t`));
    expect(other.requests.map((request) => request.headers["authorization"])).toEqual([undefined]);
    await other.close();
  });

  test("429 and 503 are tried again", async () => {
    registry.manifest("x", "t", manifest, mediaTypes.ociManifest);
    let asked = 0;
    registry.onRequest = () => {
      asked += 1;
      return asked < 3
        ? { type: "status", status: asked === 1 ? 429 : 503, headers: { "retry-after": "0" } }
        : undefined;
    };
    await client.manifest(parseReference(`${registry.host}/x:t`));
    expect(asked).toBe(3);
  });
});

describe("mirrors", () => {
  test("a mirror answers for docker.io", async () => {
    registry.manifest("library/debian", "latest", manifest, mediaTypes.ociManifest);
    const mirrored = createRegistryClient({
      hosts: { "docker.io": { mirrors: [`http://${registry.host}`] } },
    });
    await mirrored.manifest(parseReference("debian"));
    await mirrored.close();
    expect(registry.requests[0]?.path).toBe("/v2/library/debian/manifests/latest");
  });

  test("a mirror that has docker.io below a prefix", async () => {
    registry.manifest("hub/library/debian", "latest", manifest, mediaTypes.ociManifest);
    const hosts = { "docker.io": { mirrors: [`http://${registry.host}/hub`] } };
    const mirrored = createRegistryClient({ hosts });
    await mirrored.manifest(parseReference("debian"));
    await mirrored.close();
    expect(registry.requests[0]?.path).toBe("/v2/hub/library/debian/manifests/latest");
  });

  test("what a mirror lacks comes from the next", async () => {
    const second = await startRegistry();
    second.manifest("library/debian", "latest", manifest, mediaTypes.ociManifest);
    const hosts = { "docker.io": { mirrors: [`http://${registry.host}`, `http://${second.host}`] } };
    const mirrored = createRegistryClient({ hosts });
    await mirrored.manifest(parseReference("debian"));
    await mirrored.close();
    expect(registry.requests).toHaveLength(1);
    await second.close();
  });
});

describe("blobs", () => {
  const bytes = randomBytes(300_000);

  test("come whole", async () => {
    expect((await read(descriptor(bytes))).equals(bytes)).toBe(true);
  });

  test("are resumed where the line broke", async () => {
    let cuts = 0;
    registry.onRequest = () => (cuts++ < 2 ? { type: "cut", afterBytes: 100_000 } : undefined);
    expect((await read(descriptor(bytes))).equals(bytes)).toBe(true);
    expect(
      registry.requests.slice(1).every((request) => /^bytes=\d+-$/.test(String(request.headers["range"]))),
    ).toBe(true);
  });

  test("are resumed from a server that knows no ranges", async () => {
    let asked = 0;
    registry.onRequest = () =>
      asked++ === 0 ? { type: "cut", afterBytes: 100_000 } : { type: "ignore-range" };
    expect((await read(descriptor(bytes))).equals(bytes)).toBe(true);
  });

  test("a refusal is an error with the status", async () => {
    registry.onRequest = () => ({
      type: "status",
      status: 403,
      body: '{"errors":[{"code":"DENIED","message":"no"}]}',
    });
    const error = await failure(read(descriptor(bytes)));
    expect(error).toMatchObject({ code: "TSB_AUTH" });
    expect(error.message).toMatch(/403.*DENIED: no/);
  });
});
