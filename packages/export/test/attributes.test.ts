import { describe, expect, test } from "vitest";
import { checkOutputs, fileAttributes, imageAttributes, wantedCompression } from "../src/attributes.ts";
import type { ExportRequest } from "../src/types.ts";

function request(type: ExportRequest["type"], attrs: Record<string, string> = {}): ExportRequest {
  return { type, attrs };
}

describe("options of an image output", () => {
  test("have defaults: gzip, OCI types, Docker's for docker", () => {
    expect(imageAttributes(request("oci"))).toEqual({
      names: undefined,
      ociTypes: true,
      variant: { compression: "gzip" },
      estargz: false,
      force: false,
      tar: true,
      rewriteTimestamps: false,
      push: false,
      pushByDigest: false,
      insecure: false,
      annotations: [],
      ociArtifact: false,
      attestAs: "index",
      store: true,
      nameCanonical: false,
      danglingPrefix: undefined,
    });
    expect(imageAttributes(request("docker")).ociTypes).toBe(false);
    expect(imageAttributes(request("docker", { compression: "zstd" })).ociTypes).toBe(true);
  });

  test("docker without dest is for an engine that runs here: as it is, and of a context", () => {
    const { variant } = imageAttributes(request("docker", { context: "mine" }));
    expect(variant).toEqual({ compression: "uncompressed" });
    expect(imageAttributes({ type: "docker", dest: "-", attrs: {} }).variant.compression).toBe("gzip");
    expect(() => imageAttributes(request("oci", { context: "mine" }))).toThrow('unknown option "context"');
  });

  test("of others that mean nothing here are taken when they ask for nothing, else refused with the reason", () => {
    imageAttributes(request("image", { unpack: "true", "prefer-nondist-layers": "false" }));
    imageAttributes(request("oci", { "compatibility-version": "30" }));
    expect(() => imageAttributes(request("image", { "prefer-nondist-layers": "true" }))).toThrow(
      "those of Windows",
    );
    expect(() => imageAttributes(request("oci", { "compatibility-version": "20" }))).toThrow(
      "is not supported",
    );
    expect(
      imageAttributes(request("image", { store: "0", "name-canonical": "1", "dangling-name-prefix": "x" })),
    ).toMatchObject({ store: false, nameCanonical: true, danglingPrefix: "x" });
  });

  test.each([{ compression: "estargz" }, { "oci-artifact": "true" }])("%j needs OCI's types", (attrs) => {
    expect(() => imageAttributes(request("image", { ...attrs, "oci-mediatypes": "false" }))).toThrow(
      "contradict each other",
    );
    imageAttributes(request("docker", attrs));
  });

  test("a zstd level of 0 is the fastest, as for BuildKit", () => {
    expect(
      imageAttributes(request("oci", { compression: "zstd", "compression-level": "0" })).variant,
    ).toEqual({
      compression: "zstd",
      level: 1,
    });
  });

  test("are checked for all outputs at once", () => {
    checkOutputs([request("local", { mode: "delete" }), request("oci", { name: "a" }), request("cacheonly")]);
    expect(() => checkOutputs([request("oci"), request("tar", { mode: "delete" })])).toThrow(
      "unknown option",
    );
    expect(() => checkOutputs([request("cacheonly", { name: "a" })])).toThrow('unknown option "name"');
    expect(() => checkOutputs([request("image", { compression: "lzma" })])).toThrow('"lzma" is not known');
  });

  test("are read", () => {
    const attrs = {
      name: "demo:1, registry.example.com/x/y",
      compression: "zstd",
      "compression-level": "19",
      "force-compression": "1",
      "oci-mediatypes": "false",
      tar: "F",
      "rewrite-timestamp": "true",
      "annotation.a": "b",
      "annotation-manifest.c": "d",
      "annotation-manifest-descriptor.e": "f=g",
    };
    expect(imageAttributes(request("oci", attrs))).toEqual({
      names: ["docker.io/library/demo:1", "registry.example.com/x/y:latest"],
      ociTypes: false,
      variant: { compression: "zstd", level: 19 },
      estargz: false,
      force: true,
      tar: false,
      rewriteTimestamps: true,
      push: false,
      pushByDigest: false,
      insecure: false,
      annotations: [
        { scope: "manifest", platform: undefined, key: "a", value: "b" },
        { scope: "manifest", platform: undefined, key: "c", value: "d" },
        { scope: "manifest-descriptor", platform: undefined, key: "e", value: "f=g" },
      ],
      ociArtifact: false,
      attestAs: "index",
      store: true,
      nameCanonical: false,
      danglingPrefix: undefined,
    });
  });

  test.each([
    [{ compression: "lzma" }, 'compression="lzma" is not known'],
    [{ "compression-level": "10" }, 'compression-level="10" is not 0 to 9'],
    [{ compression: "zstd", "compression-level": "23" }, 'compression-level="23" is not 0 to 22'],
    [{ "compression-level": "-1" }, "is not 0 to 9"],
    [{ tar: "yes" }, 'tar="yes" is neither true nor false'],
    [{ comprssion: "gzip" }, 'unknown option "comprssion"'],
    [{ name: "Upper" }, "lower case"],
    [{ "annotation-index[linux/arm64].a": "b" }, "an index has no platform"],
    [{ "annotation-manifests.a": "b" }, 'unknown option "annotation-manifests.a"'],
  ])("%j are refused", (attrs, message) => {
    const failure = { code: "TSB_USAGE", message: expect.stringContaining(message) };
    expect(() => imageAttributes(request("oci", attrs as unknown as Record<string, string>))).toThrow(
      expect.objectContaining(failure),
    );
  });
});

describe("options of a file output", () => {
  test("are read", () => {
    expect(fileAttributes(request("local"))).toEqual({
      split: undefined,
      mirror: false,
      attestationPrefix: "",
    });
    expect(fileAttributes(request("local", { "platform-split": "true", mode: "delete" }))).toEqual({
      split: true,
      mirror: true,
      attestationPrefix: "",
    });
  });

  test.each([
    ["local", { mode: "sync" }],
    ["tar", { mode: "delete" }],
    ["tar", { compression: "gzip" }],
    ["local", { "annotation.a": "b" }],
  ] as const)("of %s %j are refused", (type, attrs) => {
    const given = attrs as unknown as Record<string, string>;
    expect(() => fileAttributes(request(type, given))).toThrow(
      expect.objectContaining({ code: "TSB_USAGE" }),
    );
  });
});

test("layers are compressed as they are measured where one output sends or keeps them so", () => {
  const wanted = (...output: Parameters<typeof request>) =>
    wantedCompression([request(...output)])?.compression;
  expect(wanted("oci")).toBe("gzip");
  expect(wanted("registry", { name: "r/a" })).toBe("gzip");
  expect(wanted("image", { name: "r/a", push: "true", compression: "zstd" })).toBe("zstd");
  expect(wanted("image", { name: "r/a", "push-by-digest": "true" })).toBe("gzip");
  // The local store takes them as they are.
  expect(wanted("image", { name: "a" })).toBeUndefined();
  expect(wanted("oci", { compression: "uncompressed" })).toBeUndefined();
  expect(wanted("cacheonly")).toBeUndefined();
});
