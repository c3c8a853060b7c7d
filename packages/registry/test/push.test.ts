import { randomBytes } from "node:crypto";
import { sha256, TsbuildError } from "@tsbuild/base";
import { mediaTypes, parseReference } from "@tsbuild/oci";
import { type Fault, startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createRegistryClient, type PushBlob, type RegistryClient, referrersTag } from "../src/index.ts";

let registry: TestRegistry;
let client: RegistryClient;
/** More than what goes in one request. */
const bytes = randomBytes(1_200_000);
const digest = sha256(bytes);
const patience = { sleep: async () => undefined };

beforeEach(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ hosts: {}, patience });
});
afterEach(async () => {
  await client.close();
  await registry.close();
});

function blob(content: Uint8Array = bytes, mountFrom: readonly string[] = []): PushBlob {
  const open = async function* (offset: number): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
  };
  return { digest: sha256(content), size: content.length, open, mountFrom };
}

const target = () => parseReference(`${registry.host}/team/app:1`);
const methods = (from = 0) =>
  registry.requests
    .slice(from)
    .map(({ method }) => method)
    .join(" ");
const sorted = (list: string) => list.split(" ").toSorted().join(" ");

/** A fault for the n-th request with this method. */
function once(method: string, fault: Fault, count = 1): () => number {
  let seen = 0;
  registry.onRequest = (request) => (request.method === method && seen++ < count ? fault : undefined);
  return () => seen;
}

describe("a blob", () => {
  test("is uploaded, and not a second time", async () => {
    expect(await client.pushBlob(target(), blob())).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PATCH PUT");
    expect(registry.blobBytes(digest)).toEqual(bytes);
    expect(await client.pushBlob(target(), blob())).toBe("present");
  });

  test("that is small goes in one request after the upload is opened", async () => {
    const small = randomBytes(100_000);
    expect(await client.pushBlob(target(), blob(small))).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PUT");
    expect(registry.blobBytes(sha256(small))).toEqual(small);
  });

  test("that is small goes on where the line broke, in the way of large ones", async () => {
    const small = randomBytes(100_000);
    once("PUT", { type: "hang-up", afterBytes: 40_000 });
    expect(await client.pushBlob(target(), blob(small))).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PUT GET PATCH PUT");
    expect(registry.blobBytes(sha256(small))).toEqual(small);
  });

  test("that is small and refused in one request goes as large ones do", async () => {
    once("PUT", { type: "status", status: 400 });
    expect(await client.pushBlob(target(), blob(randomBytes(100_000)))).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PUT POST PATCH PUT");
  });

  test("that nobody knows of there is not asked for first, or while its upload is opened", async () => {
    const small = { ...blob(randomBytes(1000)), isNew: true };
    expect(await client.pushBlob(target(), small)).toBe("uploaded");
    expect(methods()).toBe("POST PUT");
    expect(await client.pushBlob(target(), { ...blob(), isNew: true })).toBe("uploaded");
    expect(sorted(methods(2))).toBe("HEAD PATCH POST PUT");
  });

  test("that was there against all odds is not sent, and its upload is given up", async () => {
    registry.blob(bytes);
    expect(await client.pushBlob(target(), { ...blob(), isNew: true })).toBe("present");
    expect(sorted(methods())).toBe("DELETE HEAD POST");
  });

  test("that was asked for ahead is not asked for again; what could not be asked is", async () => {
    registry.blob(bytes);
    const other = randomBytes(1000);
    const failing = once("HEAD", { type: "status", status: 403 });
    await client.expectPush(target(), [sha256(other), digest]);
    expect(failing()).toBe(2);
    expect(await client.pushBlob(target(), blob())).toBe("present");
    expect(methods()).toBe("HEAD HEAD");
    expect(await client.pushBlob(target(), blob(other))).toBe("uploaded");
    expect(methods(2)).toBe("HEAD POST PUT");
    expect(await client.pushBlob(parseReference(`${registry.host}/another`), blob())).toBe("present");
  });

  test("goes to an upload that was opened before there was a blob; what is left of those is cancelled before the name is there", async () => {
    await client.expectUploads(target(), 2);
    await client.expectUploads(target(), 2);
    await vi.waitFor(() => expect(methods()).toBe("POST POST"), 60_000);
    expect(await client.pushBlob(target(), { ...blob(randomBytes(1000)), isNew: true })).toBe("uploaded");
    expect(methods(2)).toBe("PUT");
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, layers: [] }),
    );
    await client.pushManifests({
      reference: target(),
      manifests: [{ digest: sha256(manifest), mediaType: mediaTypes.ociManifest, bytes: manifest }],
      tags: ["1"],
    });
    expect(sorted(methods(3))).toBe("DELETE PUT");
    expect(await client.pushBlob(target(), { ...blob(), isNew: true })).toBe("uploaded");
    expect(sorted(methods(5))).toBe("HEAD PATCH POST PUT");
  });

  test("is not asked for when an upload waits for it; one that nobody takes is cancelled when there is no push", async () => {
    await client.expectUploads(target(), 2);
    expect(await client.pushBlob(target(), { ...blob(randomBytes(100_000)), isNew: true })).toBe("uploaded");
    await client.close();
    expect(sorted(methods())).toBe("DELETE POST POST PUT");
  });

  test("goes its usual way when an upload could not be opened before, or was forgotten meanwhile", async () => {
    const refused = once("POST", { type: "status", status: 503 });
    await client.expectUploads(target(), 1);
    await vi.waitFor(() => expect(refused()).toBe(1), 60_000);
    expect(await client.pushBlob(target(), { ...blob(randomBytes(1000)), isNew: true })).toBe("uploaded");
    expect(methods()).toBe("POST POST PUT");
    await client.expectUploads(target(), 1);
    once("PUT", { type: "status", status: 404 });
    expect(await client.pushBlob(target(), { ...blob(randomBytes(1000)), isNew: true })).toBe("uploaded");
    expect(methods(3)).toBe("POST PUT POST PATCH PUT");
  });

  test("of no bytes is uploaded as well", async () => {
    expect(await client.pushBlob(target(), blob(Buffer.alloc(0)))).toBe("uploaded");
  });

  test("is mounted from a repository that has it", async () => {
    registry.onRequest = (request) =>
      request.method === "HEAD" ? { type: "status", status: 404 } : undefined;
    registry.blob(bytes);
    expect(await client.pushBlob(target(), blob(bytes, ["team/base"]))).toBe("mounted");
    expect(registry.requests.at(-1)?.path).toContain("from=team%2Fbase");
  });

  test("is uploaded when the mount is refused or not possible", async () => {
    const refused = once("POST", { type: "status", status: 403 });
    expect(await client.pushBlob(target(), blob(bytes, ["private/base"]))).toBe("uploaded");
    expect(refused()).toBe(2);
    registry.abilities = { ...registry.abilities, mount: false };
    const other = randomBytes(1000);
    expect(await client.pushBlob(target(), blob(other, ["team/base"]))).toBe("uploaded");
  });

  test("goes in pieces, no smaller than the registry takes", async () => {
    registry.abilities = { ...registry.abilities, minChunkBytes: 400_000 };
    await client.pushBlob(target(), blob(), { chunkBytes: 10_000 });
    const ranges = registry.requests.map(({ headers }) => headers["content-range"]).filter(Boolean);
    expect(ranges).toEqual(["0-399999", "400000-799999", "800000-1199999"]);
    expect(registry.blobBytes(digest)).toEqual(bytes);
  });

  test("goes on where the line broke", async () => {
    once("PATCH", { type: "hang-up", afterBytes: 250_000 }, 2);
    const notices: string[] = [];
    await client.pushBlob(target(), blob(), { onRetry: ({ reason }) => notices.push(reason) });
    const places = registry.requests.map(({ headers }) => headers["content-range"]).filter(Boolean);
    expect(places).toEqual(["250000-1199999", "500000-1199999"]);
    expect(registry.blobBytes(digest)).toEqual(bytes);
    expect(notices).toHaveLength(2);
  });

  test("whose last answer was lost is found to be there", async () => {
    registry.onRequest = (request) => {
      if (request.method === "GET") return { type: "status", status: 404 };
      if (request.method !== "PUT") return undefined;
      registry.blob(bytes);
      return { type: "status", status: 502 };
    };
    expect(await client.pushBlob(target(), blob())).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PATCH PUT GET HEAD");
  });

  test("is begun anew when the registry has forgotten the upload", async () => {
    once("PATCH", { type: "status", status: 404 });
    expect(await client.pushBlob(target(), blob())).toBe("uploaded");
    expect(methods()).toBe("HEAD POST PATCH POST PATCH PUT");
  });

  test("429 waits as long as the registry asks for, and no longer than is sane", async () => {
    const waits: number[] = [];
    const patient = createRegistryClient({
      hosts: {},
      patience: { sleep: async (ms) => void waits.push(ms) },
    });
    once("POST", { type: "status", status: 429, headers: { "retry-after": "17" } });
    await patient.pushBlob(target(), blob());
    expect(waits).toEqual([17_000]);
    once("POST", { type: "status", status: 429, headers: { "retry-after": "86400" } });
    const error = await patient.pushBlob(target(), blob(randomBytes(10))).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/answered 429; it asks to wait 86400 s/);
    await patient.close();
  });

  test("spoilt on the way every time is an error, not an endless loop", async () => {
    const wrong: PushBlob = { ...blob(), digest: sha256(randomBytes(3)) };
    const error = await client.pushBlob(target(), wrong).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TsbuildError);
    expect(String(error)).toMatch(/DIGEST_INVALID/);
    expect(registry.requests.filter(({ method }) => method === "POST")).toHaveLength(3);
  });

  test("an upload on another host gets no credentials", async () => {
    const other = await startRegistry();
    registry.token = "secret";
    other.abilities = registry.abilities;
    await client.pushBlob(parseReference(`${other.host}/x`), blob(Buffer.from("warm")));
    const elsewhere = `http://${other.host}/v2/x/blobs/uploads/gone`;
    registry.onRequest = (request) =>
      request.method === "POST" && request.headers["authorization"] !== undefined
        ? { type: "status", status: 202, headers: { location: elsewhere } }
        : undefined;
    const error = await client.pushBlob(target(), blob()).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/404/);
    const sent = other.requests.filter(({ path }) => path.includes("gone"));
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
    await other.close();
  });
});

describe("manifests", () => {
  const document = (layer: string) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: { digest: layer },
        layers: [],
      }),
    );

  test("get their tags last; by digest there is no tag", async () => {
    registry.blob(bytes);
    const manifest = {
      digest: sha256(document(digest)),
      mediaType: mediaTypes.ociManifest,
      bytes: document(digest),
    };
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: [{ digest: manifest.digest }],
      }),
    );
    const root = { digest: sha256(index), mediaType: mediaTypes.ociIndex, bytes: index };
    await client.pushManifests({ reference: target(), manifests: [manifest, root], tags: ["1", "latest"] });
    const puts = registry.requests.map(({ path }) => path.split("/").pop());
    expect(puts).toEqual([manifest.digest, "1", "latest"]);
    await client.pushManifests({ reference: target(), manifests: [manifest], tags: [] });
    expect(registry.requests.at(-1)?.path).toContain(manifest.digest);
  });

  test("without their blobs are refused with the registry's words, and no tag is left", async () => {
    const manifest = {
      digest: sha256(document(digest)),
      mediaType: mediaTypes.ociManifest,
      bytes: document(digest),
    };
    const error = await client
      .pushManifests({ reference: target(), manifests: [manifest], tags: ["1"] })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "TSB_EXPORT" });
    expect(String(error)).toMatch(/pushing .*team\/app:1.*404 \(MANIFEST_BLOB_UNKNOWN/);
    expect(registry.manifestBytes("team/app", "1")).toBeUndefined();
  });
});

describe("referrers", () => {
  const subject = sha256(Buffer.from("subject"));

  function artifact(name: string): { digest: ReturnType<typeof sha256>; mediaType: string; bytes: Buffer } {
    const document = {
      schemaVersion: 2,
      artifactType: "text/x",
      config: { digest },
      layers: [],
      subject: { digest: subject },
      name,
    };
    const content = Buffer.from(JSON.stringify(document));
    return { digest: sha256(content), mediaType: mediaTypes.ociManifest, bytes: content };
  }

  test.each([true, false])("are listed by the API (%s) or under the fallback tag", async (referrers) => {
    registry.blob(bytes);
    registry.abilities = { ...registry.abilities, referrers };
    expect(await client.listReferrers(target(), subject)).toEqual([]);
    for (const name of ["a", "b", "b"])
      await client.attachReferrer(target(), { subject, manifest: artifact(name), artifactType: "text/x" });
    const found = await client.listReferrers(target(), subject, { artifactType: "text/x" });
    expect(found.map((entry) => entry.digest)).toEqual([artifact("a").digest, artifact("b").digest]);
    expect(await client.listReferrers(target(), subject, { artifactType: "other" })).toEqual([]);
    expect(registry.manifestBytes("team/app", referrersTag(subject)) === undefined).toBe(referrers);
  });
});
