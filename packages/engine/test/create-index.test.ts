import { type Index, mediaTypes, parseReference } from "@tsbuild/oci";
import { createRegistryClient, type RegistryClient } from "@tsbuild/registry";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createIndex } from "../src/images/create-index.ts";

describe("an index of images that registries have", () => {
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

  const small = (mediaType: string, text: string, more: object = {}) => {
    const bytes = Buffer.from(text);
    return { mediaType, digest: registry.blob(bytes), size: bytes.length, ...more };
  };

  /** Puts an image of one layer there; its digest. */
  function image(repository: string, architecture: string, layer: string) {
    const config = { architecture, os: "linux", rootfs: { type: "layers", diff_ids: [] } };
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: small(mediaTypes.ociConfig, JSON.stringify(config)),
      layers: [small(mediaTypes.ociLayer, layer)],
    };
    return registry.manifest(repository, "1", document, mediaTypes.ociManifest);
  }

  const create = (sources: readonly string[], name: string, more: object = {}) =>
    createIndex(
      client,
      {
        sources: sources.map((source) => `${registry.host}/${source}`),
        names: [`${registry.host}/${name}`],
        append: false,
        annotations: [],
        dryRun: false,
        ...more,
      },
      new AbortController().signal,
    );

  async function entries(name: string): Promise<Index["manifests"]> {
    const { bytes } = await client.manifest(parseReference(`${registry.host}/${name}`));
    return (JSON.parse(Buffer.from(bytes).toString()) as Index).manifests;
  }

  test("lists images of other repositories, which have them then; added ones replace those for their platform", async () => {
    const [amd, arm] = [image("amd", "amd64", "a"), image("arm", "arm64", "b")];
    const { digest } = await create(["amd:1", "arm:1"], "all:1");
    expect((await client.manifest(parseReference(`${registry.host}/all:1`))).digest).toBe(digest);
    expect(await entries("all:1")).toMatchObject([
      { digest: amd, platform: { os: "linux", architecture: "amd64" } },
      { digest: arm, platform: { os: "linux", architecture: "arm64" } },
    ]);
    expect(registry.manifestBytes("all", arm)).toBeDefined();
    const newer = image("newer", "arm64", "c");
    await create(["newer:1"], "all:1", { append: true });
    expect((await entries("all:1")).map((entry) => entry.digest)).toEqual([amd, newer]);
  });

  test("an index alone is copied as it is, with all that it lists; chosen platforms keep what is claimed of them", async () => {
    const [amd, arm] = [image("x", "amd64", "a"), image("x", "arm64", "b")];
    const claim = (of: string) => {
      const document = {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: small("application/vnd.oci.empty.v1+json", "{}"),
        layers: [small("application/vnd.in-toto+json", of)],
      };
      const digest = registry.manifest("x", `claim-${of.slice(7, 12)}`, document, mediaTypes.ociManifest);
      const size = registry.manifestBytes("x", digest)!.length;
      const annotations = {
        "vnd.docker.reference.digest": of,
        "vnd.docker.reference.type": "attestation-manifest",
      };
      const platform = { os: "unknown", architecture: "unknown" };
      return { mediaType: mediaTypes.ociManifest, digest, size, annotations, platform };
    };
    const listed = (digest: string, architecture: string) => ({
      mediaType: mediaTypes.ociManifest,
      digest,
      size: registry.manifestBytes("x", digest)!.length,
      platform: { os: "linux", architecture },
    });
    const claims = [claim(amd), claim(arm)];
    const manifests = [listed(amd, "amd64"), listed(arm, "arm64"), ...claims];
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    const whole = registry.manifest("x", "all", index, mediaTypes.ociIndex);
    expect((await create(["x:all"], "copy:1")).digest).toBe(whole);
    expect(registry.manifestBytes("copy", claims[1]!.digest)).toBeDefined();
    await create(["x:all"], "one:1", { platforms: [{ os: "linux", architecture: "arm64" }] });
    expect((await entries("one:1")).map(({ digest }) => digest)).toEqual([arm, claims[1]!.digest]);
    const wrong = create(["x:all"], "no:1", { platforms: [{ os: "linux", architecture: "s390x" }] });
    await expect(wrong).rejects.toMatchObject({ hint: "there are linux/amd64, linux/arm64" });
  });

  test("annotations of the index, and of what it lists; nothing is pushed by a dry run", async () => {
    image("amd", "amd64", "a");
    const annotations = [
      { scope: "index", key: "of", value: "index" },
      { scope: "manifest-descriptor", platform: "linux/amd64", key: "of", value: "image" },
      { scope: "manifest-descriptor", platform: "linux/arm64", key: "other", value: "image" },
    ];
    const { bytes } = await create(["amd:1"], "dry:1", { annotations, dryRun: true });
    expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({
      annotations: { of: "index" },
      manifests: [{ annotations: { of: "image" } }],
    });
    expect(registry.manifestBytes("dry", "1")).toBeUndefined();
  });
});
