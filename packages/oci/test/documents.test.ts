import { type Digest, limits, type Platform } from "@tsbuild/base";
import {
  canonicalJson,
  type Descriptor,
  type Index,
  mediaTypes,
  parseImageConfig,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
  selectPlatform,
  serializeImageConfig,
  serializeManifest,
} from "@tsbuild/oci";
import { describe, expect, test } from "vitest";

const DIGEST = `sha256:${"ab".repeat(32)}` as Digest;
const LAYER = { mediaType: mediaTypes.ociLayerGzip, digest: DIGEST, size: 7 };
const MANIFEST = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: { mediaType: mediaTypes.ociConfig, digest: DIGEST, size: 2 },
  layers: [LAYER],
};

function bytes(value: unknown): Buffer {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}

describe("a manifest from outside", () => {
  test("comes back as it was, byte by byte", () => {
    const manifest = { ...MANIFEST, annotations: { z: "1", a: "2" } };
    const parsed = parseManifest(bytes(manifest));
    expect(parsed).toEqual(manifest);
    expect(serializeManifest(parsed).toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${mediaTypes.ociManifest}",` +
        `"config":{"mediaType":"${mediaTypes.ociConfig}","digest":"${DIGEST}","size":2},` +
        `"layers":[{"mediaType":"${mediaTypes.ociLayerGzip}","digest":"${DIGEST}","size":7}],` +
        `"annotations":{"a":"2","z":"1"}}`,
    );
  });

  test.each([
    ["no JSON", "{", "it is not JSON"],
    ["no object", "[]", "it is not a JSON object"],
    ["not UTF-8", Buffer.of(0x22, 0xff, 0x22), "it is not JSON"],
    ["no schema", { ...MANIFEST, schemaVersion: 3 }, "schemaVersion: not 2"],
    ["no config", { ...MANIFEST, config: null }, "config: missing"],
    ["no layers", { ...MANIFEST, layers: undefined }, "layers: missing"],
    ["layers that are none", { ...MANIFEST, layers: {} }, "layers: not a list"],
    [
      "a path for a digest",
      { ...MANIFEST, layers: [{ ...LAYER, digest: "sha256:../../etc" }] },
      "layers[0].digest: ",
    ],
    [
      "a negative size",
      { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] },
      "layers[0].size: not a whole number",
    ],
    [
      "a size beyond exactness",
      { ...MANIFEST, layers: [{ ...LAYER, size: 1e300 }] },
      "layers[0].size: not a whole",
    ],
    [
      "a size of text",
      { ...MANIFEST, layers: [{ ...LAYER, size: "7" }] },
      "layers[0].size: not a whole number",
    ],
    ["annotations of numbers", { ...MANIFEST, annotations: { a: 1 } }, "annotations: not a map of strings"],
    ["too many layers", { ...MANIFEST, layers: Array(limits.layers + 1).fill(LAYER) }, "layers: more than"],
  ])("with %s is refused", (_, value, message) => {
    const input = Buffer.isBuffer(value) ? value : bytes(value);
    const failure = { code: "TSB_INTEGRITY", message: expect.stringContaining(message) };
    expect(() => parseManifest(input)).toThrow(expect.objectContaining(failure));
  });

  test("longer than the limit is refused unread", () => {
    expect(() => parseManifest(Buffer.alloc(limits.manifestBytes + 1, 0x20))).toThrow("longer than");
  });

  test("of schema 1 is refused with its own words", () => {
    expect(() => parseManifest(bytes({ schemaVersion: 1 }))).toThrow(/schema 1/);
  });

  test("is told from an index, and refused when it claims to be both", () => {
    const index = { schemaVersion: 2, manifests: [LAYER] };
    expect(parseManifestOrIndex(bytes(index)).kind).toBe("index");
    expect(parseManifestOrIndex(bytes(MANIFEST)).kind).toBe("manifest");
    expect(() => parseManifestOrIndex(bytes({ ...MANIFEST, ...index }))).toThrow("cannot be an index");
    expect(() => parseManifestOrIndex(bytes({ ...MANIFEST, mediaType: mediaTypes.ociIndex }))).toThrow(
      "does not fit",
    );
  });
});

describe("an image config from outside", () => {
  const CONFIG = {
    architecture: "amd64",
    os: "linux",
    config: { Env: ["A=b"], Cmd: null, Labels: { x: "y" }, FutureField: { kept: [1] } },
    rootfs: { type: "layers", diff_ids: [DIGEST] },
    history: [{ created_by: "RUN x" }, { created_by: "ENV A=b", empty_layer: true }],
    "moby.buildkit.cache.v0": "kept",
  };

  test("keeps what tsbuild does not know, and drops null", () => {
    const parsed = parseImageConfig(bytes(CONFIG));
    expect(parsed.config).toEqual({ Env: ["A=b"], Labels: { x: "y" }, FutureField: { kept: [1] } });
    expect(parsed["moby.buildkit.cache.v0"]).toBe("kept");
    expect(parseImageConfig(serializeImageConfig(parsed))).toEqual(parsed);
  });

  test("has no layers when it names none", () => {
    expect(parseImageConfig(bytes({ architecture: "arm", os: "linux" })).rootfs.diff_ids).toEqual([]);
  });

  test.each([
    ["no architecture", { os: "linux" }, "architecture: missing"],
    ["an Env of text", { ...CONFIG, config: { Env: "A=b" } }, "config.Env: not a list of strings"],
    ["a bad diff ID", { ...CONFIG, rootfs: { type: "layers", diff_ids: ["md5:1"] } }, "rootfs.diff_ids: "],
    ["another rootfs", { ...CONFIG, rootfs: { type: "zfs" } }, "rootfs.type: "],
    ["a history of text", { ...CONFIG, history: ["RUN x"] }, "history[0]: not an object"],
    ["half a retry", { ...CONFIG, config: { Healthcheck: { Retries: 0.5 } } }, "config.Healthcheck.Retries"],
  ])("with %s is refused", (_, value, message) => {
    expect(() => parseImageConfig(bytes(value))).toThrow(message);
  });
});

describe("canonicalJson", () => {
  test("does not depend on the order of keys, and leaves out what is undefined", () => {
    const a = canonicalJson({ b: 1, a: { d: [{ z: 1, y: undefined }], c: null } });
    expect(a).toBe('{"a":{"c":null,"d":[{"z":1}]},"b":1}');
    expect(canonicalJson({ a: { c: null, d: [{ z: 1 }] }, b: 1 })).toBe(a);
  });
});

function indexOf(...platforms: readonly (string | undefined)[]): Index {
  const manifests = platforms.map((text, place): Descriptor => {
    const base = { mediaType: mediaTypes.ociManifest, digest: DIGEST, size: place };
    if (text === undefined) return base;
    const [os = "", architecture = "", variant] = text.split("/");
    return { ...base, platform: { os, architecture, ...(variant ? { variant } : {}) } };
  });
  return parseIndex(bytes({ schemaVersion: 2, manifests }));
}

function platform(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, variant };
}

describe("selectPlatform", () => {
  test.each([
    ["linux/amd64", ["linux/arm64", "linux/amd64"], 1],
    ["linux/amd64", ["linux/amd64/v3", "linux/amd64/v1"], 1],
    ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1],
    ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1],
    ["linux/arm", ["linux/arm/v6", "linux/arm/v7"], 1],
    ["linux/arm/v6", ["linux/arm/v7"], undefined],
    ["linux/arm64", ["linux/arm64/v8"], 0],
    ["linux/arm64/v8", ["linux/arm64"], 0],
    ["linux/riscv64", ["linux/amd64", "linux/riscv64"], 1],
    ["windows/amd64", ["linux/amd64"], undefined],
    ["linux/amd64", [undefined], 0],
    ["linux/amd64", [undefined, undefined], undefined],
    ["linux/amd64", ["unknown/unknown", "linux/amd64"], 1],
    ["linux/amd64", ["linux/amd64", "linux/amd64"], 0],
    ["linux/amd64", [], undefined],
  ] as const)("%s of %j is number %s", (wanted, there, expected) => {
    expect(selectPlatform(indexOf(...there), platform(wanted))?.size).toBe(expected);
  });
});
