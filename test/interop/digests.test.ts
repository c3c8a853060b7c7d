import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Fault, startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, World } from "../e2e/world.ts";
import { blobPath, readLayout, writeLayout } from "./layout.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: registries that serve other bytes: ${reason}`);

const REPOSITORY = "team/base";

describe.skipIf(reason !== undefined)("a registry that serves other bytes than were asked for", () => {
  const world = new World();
  let registry: TestRegistry;
  let digest: string;
  let config: string;
  let layer: string;

  beforeAll(async () => {
    const layout = world.path("layout");
    await writeLayout(layout, [await busyboxTar(world)], { Cmd: ["sh"] });
    const { manifest } = readLayout(layout);
    registry = await startRegistry();
    layer = registry.blob(readFileSync(blobPath(layout, manifest.layers[0]?.digest ?? "")));
    config = registry.blob(readFileSync(blobPath(layout, manifest.config.digest)));
    digest = registry.manifest(REPOSITORY, "latest", manifest, manifest.mediaType);
  });
  afterEach(() => {
    registry.onRequest = undefined;
  });
  afterAll(async () => {
    await registry.close();
    world.close();
  });

  /** Digests of the blobs of a state folder; fails when one is not of the bytes there, or is half written. */
  function storedDigests(root: string): string[] {
    const blobs = join(root, "v1/blobs/sha256");
    return readdirSync(blobs).map((name) => {
      const digest = createHash("sha256")
        .update(readFileSync(join(blobs, name)))
        .digest("hex");
      expect(name).toBe(digest);
      return `sha256:${digest}`;
    });
  }

  /** Builds in a state folder of its own while the registry is at fault, then without a fault. */
  async function failsThenWorks(name: string, wrong: string, fault: Fault): Promise<string> {
    const env = { TSBUILD_ROOT: world.path(`state-${name}`) };
    const from = `${registry.host}/${REPOSITORY}@${digest}`;
    const folder = world.context(name, { Dockerfile: `# comment\nFROM ${from}\nRUN echo here > /x\n` });
    registry.onRequest = ({ path }) => (path.endsWith(`/${wrong}`) ? fault : undefined);
    const failed = await world.tsbuild(["build", "--progress=plain", "-t", name, folder], { env });
    expect(failed.code).toBe(1);
    expect((await world.ok(["images"], { env })).stdout).not.toContain(name);
    expect(storedDigests(env.TSBUILD_ROOT)).not.toContain(wrong);
    registry.onRequest = undefined;
    await world.ok(["build", "--progress=plain", "-t", name, folder], { env });
    expect((await world.ok(["run", name, "cat", "/x"], { env })).stdout).toBe("here\n");
    expect(storedDigests(env.TSBUILD_ROOT)).toEqual(expect.arrayContaining([digest, config, layer]));
    return failed.stderr;
  }

  test("in place of a manifest by digest", async () => {
    const log = await failsThenWorks("manifest", digest, { type: "corrupt" });
    expect(log).toMatch(/Dockerfile:2/);
    expect(log).toMatch(/>>> FROM 127/);
    expect(log).toMatch(/ERROR: .*digest/);
  });

  test("in place of a layer", async () => {
    const log = await failsThenWorks("layer", layer, { type: "corrupt" });
    expect(log).toMatch(/Dockerfile:2/);
    expect(log).toMatch(new RegExp(`ERROR: .*${layer.slice(7, 19)}`));
  });

  test("in place of the config", async () => {
    const log = await failsThenWorks("config", config, { type: "corrupt" });
    expect(log).toMatch(/Dockerfile:2/);
    expect(log).toMatch(/ERROR: .*team\/base.*: config: expected/);
  });

  test("a layer that is not there", async () => {
    const log = await failsThenWorks("gone", layer, { type: "status", status: 404 });
    expect(log).toMatch(/Dockerfile:2/);
    expect(log).toMatch(/ERROR: .*(not found|404)/);
  });

  test.each([
    [
      "the layer of another image",
      `sha256:${"a".repeat(64)}`,
      /layer sha256:\w+: it unpacks to sha256:\w+, the config says/,
    ],
    ["no archive at all", undefined, /layer sha256:\w+: the archive is damaged/],
  ])("as its digest says, and yet %s", async (what, diffId, message) => {
    const env = { TSBUILD_ROOT: world.path(`state-${what.replaceAll(" ", "-")}`) };
    const bytes = gzipSync(diffId === undefined ? Buffer.alloc(700, "no tar") : Buffer.alloc(1024));
    const media = (kind: string): string => `application/vnd.oci.image.${kind}`;
    const image = {
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [diffId ?? `sha256:${"b".repeat(64)}`] },
    };
    const json = Buffer.from(JSON.stringify(image));
    const manifest = {
      schemaVersion: 2,
      mediaType: media("manifest.v1+json"),
      config: { mediaType: media("config.v1+json"), digest: registry.blob(json), size: json.length },
      layers: [{ mediaType: media("layer.v1.tar+gzip"), digest: registry.blob(bytes), size: bytes.length }],
    };
    registry.manifest("team/lies", "latest", manifest, manifest.mediaType);
    const folder = world.context("lies", { Dockerfile: `FROM ${registry.host}/team/lies\nRUN true\n` });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", "--pull", folder], { env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    await world.settled(env.TSBUILD_ROOT);
    const snapshots = readdirSync(env.TSBUILD_ROOT, { recursive: true, encoding: "utf8" });
    expect(snapshots.filter((path) => /^[^/]+\/snapshots\/./.test(path))).toEqual([]);
  });

  test("a connection that is cut once is taken up again", async () => {
    let cuts = 0;
    registry.onRequest = ({ path }) => {
      if (!path.endsWith(`/blobs/${layer}`) || cuts > 0) return undefined;
      cuts++;
      return { type: "cut", afterBytes: 100_000 };
    };
    const env = { TSBUILD_ROOT: world.path("state-cut") };
    const folder = world.context("cut", {
      Dockerfile: `FROM ${registry.host}/${REPOSITORY}@${digest}\nRUN echo here > /x\n`,
    });
    await world.ok(["build", "-t", "cut", folder], { env });
    expect(cuts).toBe(1);
    expect((await world.ok(["run", "cut", "cat", "/x"], { env })).stdout).toBe("here\n");
    expect(storedDigests(env.TSBUILD_ROOT)).toContain(layer);
  });
});
