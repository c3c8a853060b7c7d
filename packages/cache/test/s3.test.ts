import { startS3Server } from "@tsbuild/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CacheOptions } from "../src/options.ts";
import { s3Source, s3Target } from "../src/s3/cache.ts";
import { S3Client } from "../src/s3/client.ts";
import { encodeKey, signed } from "../src/s3/sign.ts";

const EXAMPLE = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  sessionToken: undefined,
};
const now = new Date("2013-05-24T00:00:00Z");
const signatureOf = (headers: Readonly<Record<string, string>>) =>
  headers["authorization"]?.split("Signature=")[1];

describe("signature version 4: the examples of AWS's S3 reference", () => {
  const common = { region: "us-east-1", credentials: EXAMPLE, now };

  test("GET Object", () => {
    const headers = signed({
      ...common,
      method: "GET",
      url: new URL("https://examplebucket.s3.amazonaws.com/test.txt"),
      headers: { range: "bytes=0-9" },
      payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    });
    expect(signatureOf(headers)).toBe("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });

  test("PUT Object", () => {
    const headers = signed({
      ...common,
      method: "PUT",
      url: new URL(`https://examplebucket.s3.amazonaws.com/${encodeKey("test$file.text")}`),
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    });
    expect(signatureOf(headers)).toBe("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  });

  test("a query", () => {
    const headers = signed({
      ...common,
      method: "GET",
      url: new URL("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"),
      headers: {},
      payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    });
    expect(signatureOf(headers)).toBe("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  });
});

describe("a bucket", () => {
  const secret = { accessKeyId: "id", secretAccessKey: "secret" };
  let server: Awaited<ReturnType<typeof startS3Server>>;
  const signal = new AbortController().signal;
  beforeAll(async () => {
    server = await startS3Server(secret);
  });
  beforeEach(() => server.objects.clear());
  afterAll(() => server.close());

  const client = (key = secret.secretAccessKey) =>
    new S3Client({
      bucket: "b",
      region: "r",
      endpoint: server.url,
      pathStyle: true,
      credentials: { ...secret, secretAccessKey: key, sessionToken: undefined },
      attempts: 4,
    });
  const options = (more: Readonly<Record<string, string>> = {}) =>
    new CacheOptions("--cache-to", {
      type: "s3",
      attrs: { bucket: "b", region: "r", endpoint_url: server.url, use_path_style: "true", ...more },
    });
  const env = { AWS_ACCESS_KEY_ID: secret.accessKeyId, AWS_SECRET_ACCESS_KEY: secret.secretAccessKey };

  test("keys with signs, and an object that is not there", async () => {
    await client().putBytes("a b/c+d!'(é)*", Buffer.from("hello"), signal);
    expect(await client().read("a b/c+d!'(é)*", 100, signal)).toBe("hello");
    expect(await client().read("nothing", 100, signal)).toBeUndefined();
    expect(await client().head("nothing", signal)).toBeUndefined();
  });

  test("a busy server is asked again", async () => {
    server.busy = 2;
    await client().putBytes("k", Buffer.from("x"), signal);
    expect(server.objects.get("/b/k")?.bytes.toString()).toBe("x");
  });

  test("another secret is refused, and the message does not hold it", async () => {
    const failing = client("wrong-secret").putBytes("k", Buffer.from("x"), signal);
    await expect(failing).rejects.toMatchObject({ code: "TSB_AUTH" });
    await expect(failing).rejects.not.toThrow("wrong-secret");
  });

  test("blobs that are there are not sent; old ones are touched", async () => {
    const bytes = Buffer.from("layer");
    const digest = `sha256:${"a".repeat(64)}` as Parameters<
      ReturnType<typeof s3Target>["send"]
    >[0]["descriptor"]["digest"];
    const blob = {
      descriptor: { mediaType: "x", digest, size: bytes.length },
      open: async function* () {
        yield bytes;
      },
    };
    const target = s3Target(options(), env);
    expect(await target.send(blob, { signal })).toBe("uploaded");
    expect(await target.send(blob, { signal })).toBe("present");
    const stored = server.objects.get(`/b/blobs/${digest}`)!;
    stored.modified = new Date(Date.now() - 25 * 60 * 60 * 1000);
    expect(await target.send(blob, { signal })).toBe("present");
    expect(Date.now() - server.objects.get(`/b/blobs/${digest}`)!.modified.getTime()).toBeLessThan(60_000);
  });

  test("an empty bucket holds no cache, and a document that is none is refused", async () => {
    const source = s3Source(options(), env);
    expect(await source.open(signal)).toEqual([]);
    await client().putBytes("manifests/buildkit", Buffer.from("[]"), signal);
    await expect(source.open(signal)).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
  });

  test.each([
    [{ bucket: "" }, "bucket= is missing"],
    [{ upload_parallelism: "0" }, 'upload_parallelism="0" is not a number above zero'],
    [{ touch_refresh: "soon" }, 'touch_refresh="soon" is not a duration such as 10m'],
    [{ retry_mode: "never" }, 'retry_mode="never" is not known'],
    [{ access_key_id: "x", secret_access_key: "" }, ""],
  ])("%j is refused", (attrs, message) => {
    const bare = "access_key_id" in attrs ? {} : env;
    expect(() => s3Target(options(attrs as Record<string, string>), bare)).toThrow(message);
  });
});
