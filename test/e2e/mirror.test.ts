import { readFileSync, writeFileSync } from "node:fs";
import { sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publishImage } from "./published.ts";
import { busyboxTar, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: mirrors and tags: ${reason}`);

describe.skipIf(reason !== undefined)("a registry behind docker.io", () => {
  let world: World;
  let registry: TestRegistry;
  let rootfs: Buffer;

  function publish(marker: string): void {
    const { manifest: digest, manifestSize: size } = publishImage(registry, {
      repository: "library/base",
      tag: "latest-amd64",
      tar: rootfs,
      env: [`MARKER=${marker}`],
    });
    const entry = {
      mediaType: mediaTypes.ociManifest,
      digest,
      size,
      platform: { os: "linux", architecture: "amd64" },
    };
    const other = { ...entry, digest: sha256("other"), platform: { os: "linux", architecture: "s390x" } };
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [other, entry] };
    registry.manifest("library/base", "latest", index, mediaTypes.ociIndex);
  }

  beforeAll(async () => {
    world = new World();
    registry = await startRegistry();
    rootfs = readFileSync(await busyboxTar(world));
    publish("one");
    const mirrors = { registries: { "docker.io": { mirrors: [`http://${registry.host}`] } } };
    writeFileSync(world.path("no-config.json"), JSON.stringify(mirrors));
  });
  afterAll(async () => {
    await registry.close();
    world.close();
  });

  test("is used by the config file; a tag resolved once needs no network until --pull", async () => {
    const folder = world.context("app", { Dockerfile: "FROM base\nRUN echo $MARKER > /m\n" });
    await world.build(folder, "-t", "app");
    expect(await world.inside("app", "cat", "/m")).toBe("one\n");
    const asked = registry.requests.length;
    publish("two");
    await world.build(folder, "-t", "app");
    expect(registry.requests.length).toBe(asked);
    expect(await world.inside("app", "cat", "/m")).toBe("one\n");
    await world.build(folder, "--pull", "-t", "app");
    expect(await world.inside("app", "cat", "/m")).toBe("two\n");
  });

  test("--pull asks for no manifest when the tag is what it was: only GETs count for rate limits (R011)", async () => {
    const folder = world.context("pulled", { Dockerfile: "FROM base\n" });
    await world.build(folder, "--pull", "-t", "pulled");
    const asked = registry.requests.length;
    await world.build(folder, "--pull", "-t", "pulled");
    const since = registry.requests.slice(asked).map(({ method, path }) => `${method} ${path}`);
    expect(since.filter((request) => request.includes("/manifests/"))).toEqual([
      "HEAD /v2/library/base/manifests/latest",
    ]);
    // A registry that does not answer a HEAD rightly is asked as before.
    registry.onRequest = ({ method }) => (method === "HEAD" ? { type: "status", status: 405 } : undefined);
    publish("three");
    await world.build(folder, "--pull", "-t", "pulled");
    registry.onRequest = undefined;
    const inspected = await world.ok(["inspect", "pulled"]);
    expect(inspected.stdout).toContain("MARKER=three");
  });

  test("a fully cached build fetches no layer and starts no process", async () => {
    const folder = world.context("app", { Dockerfile: "FROM base\nRUN echo $MARKER > /m\n" });
    await world.build(folder, "-t", "app");
    const asked = registry.requests.length;
    const log = await world.build(folder, "--pull", "-t", "app");
    expect(log).toMatch(/RUN echo[^\n]*\n#\d+ CACHED/);
    const paths = registry.requests.slice(asked).map((request) => request.path);
    expect(paths.filter((path) => path.includes("/blobs/"))).toEqual([]);
  });
});
