import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Descriptor, mediaTypes, parseReference } from "@tsbuild/oci";
import { type Fault, startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createRegistryClient, type RegistryClient } from "../src/index.ts";

/** Large enough for a connection of its own, and no multiple of anything. */
const bytes = randomBytes(9_000_001);
/** Of the memory that pieces lie in which did not pass through undici's parser. */
const RING_BYTES = 1024 * 1024;
const patience = { sleep: () => Promise.resolve() };

let registry: TestRegistry;
let client: RegistryClient;
beforeEach(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ hosts: {}, patience });
});
afterEach(async () => {
  await client.close();
  await registry.close();
});

interface Reading {
  readonly host?: string;
  readonly slowly?: boolean;
  readonly from?: RegistryClient;
  readonly signal?: AbortSignal;
}

/** Digest, and how large the memory is that the pieces were in; each is looked at before the next is asked for, and not later. */
async function read(
  blob: Descriptor,
  { host = registry.host, slowly = false, from = client, signal }: Reading = {},
) {
  const hash = createHash("sha256");
  const memory = new Set<ArrayBufferLike>();
  let pieces = 0;
  for await (const piece of from.blob(parseReference(`${host}/x`), blob, { reuse: true, signal })) {
    if (slowly && pieces % 5 === 0) await sleep(2);
    hash.update(piece);
    pieces += 1;
    memory.add(piece.buffer);
  }
  return { digest: `sha256:${hash.digest("hex")}`, sizes: [...memory].map(({ byteLength }) => byteLength) };
}

function descriptor(content: Uint8Array): Descriptor {
  return { mediaType: mediaTypes.ociLayer, digest: registry.blob(content), size: content.length };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a large blob", () => {
  test.each([false, true])("comes whole, by one request, to who reads slowly (%s) too", async (slowly) => {
    const blob = descriptor(bytes);
    const { digest, sizes } = await read(blob, { slowly });
    expect(digest).toBe(blob.digest);
    expect(registry.requests.filter(({ path }) => path.includes("/blobs/"))).toHaveLength(1);
    expect(sizes).toContain(RING_BYTES);
  });

  test("and nine more at once come whole, four at a time", async () => {
    const blobs = Array.from({ length: 10 }, (_, index) => descriptor(bytes.subarray(index * 1000)));
    const all = await Promise.all(blobs.map((blob) => read(blob, { slowly: true })));
    expect(all.map(({ digest }) => digest)).toEqual(blobs.map(({ digest }) => digest));
  });

  const faults: [string, readonly Fault[]][] = [
    [
      "is resumed where the line broke",
      [4_000_000, 1_000_000, 0].map((afterBytes) => ({ type: "cut", afterBytes })),
    ],
    [
      "is read over from a server without ranges",
      [{ type: "cut", afterBytes: 4_000_000 }, { type: "ignore-range" }],
    ],
    ["may be announced without a length", [{ type: "short", afterBytes: 5_000_000 }]],
    ["may come slowly", [{ type: "slow", pieces: 20 }]],
    ["may end after less than was announced", [{ type: "wrong-length", by: 100_000 }]],
    ["is asked for again where the server was busy", [{ type: "status", status: 503 }]],
  ];
  test.each(faults)("%s", async (_, script) => {
    let asked = 0;
    registry.onRequest = ({ method }) => (method === "GET" ? script[asked++] : undefined);
    const blob = descriptor(bytes);
    expect((await read(blob)).digest).toBe(blob.digest);
    expect(asked).toBeGreaterThanOrEqual(script.length);
  });

  test("follows a redirect", async () => {
    const other = await serve((_, response) => response.end(bytes));
    registry.onRequest = () => ({ type: "redirect", to: `http://${other}/elsewhere` });
    const blob = descriptor(bytes);
    expect((await read(blob)).digest).toBe(blob.digest);
  });

  test("that is refused is an error with the registry's words", async () => {
    registry.onRequest = () => ({
      type: "status",
      status: 403,
      body: '{"errors":[{"code":"DENIED","message":"no"}]}',
    });
    await expect(read(descriptor(bytes))).rejects.toMatchObject({
      code: "TSB_AUTH",
      message: expect.stringMatching(/403.*DENIED: no/),
    });
  });

  test("is never more than its size", async () => {
    registry.onRequest = () => ({ type: "endless" });
    await expect(read(descriptor(bytes))).rejects.toMatchObject({
      message: expect.stringContaining("got more than"),
    });
  });

  test("of a server that falls silent is given up, after another try", async () => {
    const impatient = createRegistryClient({ hosts: {}, patience: { ...patience, idleMs: 50, attempts: 2 } });
    onTestFinished(() => impatient.close());
    let asked = 0;
    const silent = await serve((request, response) => {
      if (request.url === "/v2/") return void response.end();
      asked += 1;
      response.writeHead(200, { "content-length": bytes.length });
      // Nothing of the body, so that the second try is the last.
      response.flushHeaders();
      return undefined;
    });
    const failing = read(descriptor(bytes), { host: silent, from: impatient });
    await expect(failing).rejects.toMatchObject({ code: "TSB_RESOLVE" });
    expect(asked).toBe(2);
  });

  test("whose reader stops, or is told to, leaves no connection", async () => {
    let open = 0;
    const host = await serve((_, response) => {
      open += 1;
      response.once("close", () => {
        open -= 1;
      });
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1_000_000));
    });
    const blob = descriptor(bytes);
    for await (const piece of client.blob(parseReference(`${host}/x`), blob, { reuse: true })) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    const stop = new AbortController();
    const reading = read(blob, { host, signal: stop.signal });
    await expect.poll(() => open, { timeout: 20_000 }).toBe(1);
    stop.abort(new Error("told to"));
    await expect(reading).rejects.toThrow("told to");
    await expect.poll(() => open, { timeout: 20_000 }).toBe(0);
    // Their places are free again.
    registry.onRequest = undefined;
    expect((await read(blob)).digest).toBe(blob.digest);
  });

  test.each([false, true])("comes over TLS, to who reads slowly (%s) too", async (slowly) => {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-registry-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, "key"), join(folder, "cert")];
    const how = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert];
    execFileSync("openssl", [...how, "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"], {
      stdio: "ignore",
    });
    let requests = 0;
    const server = createTlsServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      ({ url }, response) => {
        if (url?.includes("/blobs/")) requests += 1;
        response.end(bytes);
      },
    ).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const trusting = createRegistryClient({ hosts: { [host]: { ca: cert } }, patience });
    onTestFinished(async () => {
      await trusting.close();
      server.closeAllConnections();
      server.close();
    });
    const blob = descriptor(bytes);
    expect((await read(blob, { host, from: trusting, slowly })).digest).toBe(blob.digest);
    expect(requests).toBe(1);
  });
});
