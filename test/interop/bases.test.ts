import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, runOk, World } from "../e2e/world.ts";
import { blobPath, type Descriptor, layoutProblems, readLayout, writeLayout } from "./layout.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "skopeo", "docker-registry");
if (reason !== undefined) console.log(`skipped: forms of base images: ${reason}`);

describe.skipIf(reason !== undefined)("a base image", () => {
  const world = new World();
  const base = world.path("base");
  const config = { Cmd: ["sh"], Env: ["PATH=/bin", "BASE=yes"] };
  let tars: string[];
  let registry: RegistryServer;

  beforeAll(async () => {
    registry = await startRegistryServer(world);
    const files = world.context("second", { "etc/second": "2" });
    const second = world.path("second.tar");
    await runOk("tar", ["-C", files, "--numeric-owner", "--owner=0", "--group=0", "-cf", second, "etc"]);
    tars = [await busyboxTar(world), second];
    await writeLayout(base, tars, config);
  });
  afterAll(async () => {
    await registry.close();
    world.close();
  });

  /** Copies a layout to the registry. */
  async function pushed(name: string, layout: string, ...flags: readonly string[]): Promise<string> {
    const target = `${registry.host}/bases/${name}`;
    await runOk("skopeo", [
      ...["copy", "--quiet", "--dest-tls-verify=false", ...flags],
      ...[`oci:${layout}:latest`, `docker://${target}`],
    ]);
    return target;
  }

  /** Builds on it in a state folder that knows nothing, checks the result; returns the layers of the result. */
  async function built(
    name: string,
    from: string,
    ...flags: readonly string[]
  ): Promise<readonly Descriptor[]> {
    const env = { TSBUILD_ROOT: world.path(`state-${name}`) };
    const folder = world.context(name, {
      Dockerfile: `FROM ${from}\nRUN cat /etc/second > /seen && echo $BASE >> /seen\n`,
    });
    const layout = world.path(`out-${name}`);
    const output = `type=oci,tar=false,dest=${layout}`;
    await world.ok(["build", "--progress=plain", "-t", name, "-o", output, ...flags, folder], { env });
    expect((await world.ok(["run", name, "cat", "/seen"], { env })).stdout).toBe("2yes\n");
    expect(await layoutProblems(layout)).toEqual([]);
    const { manifest } = readLayout(layout);
    expect(manifest.config.mediaType).toBe("application/vnd.oci.image.config.v1+json");
    return manifest.layers;
  }

  async function layersOf(name: string): Promise<readonly Descriptor[]> {
    return (JSON.parse((await registry.manifest(name)).toString()) as { layers: Descriptor[] }).layers;
  }

  const types = (layers: readonly Descriptor[]): string[] => layers.map(({ mediaType }) => mediaType);
  const digests = (layers: readonly Descriptor[]): string[] => layers.map(({ digest }) => digest);
  const OCI = "application/vnd.oci.image.layer.v1.tar";

  test("in Docker's format gives an image in OCI's, with the same layers", async () => {
    const from = await pushed("docker", base, "--format=v2s2");
    const before = await layersOf("bases/docker");
    expect(types(before)).toEqual(Array(2).fill("application/vnd.docker.image.rootfs.diff.tar.gzip"));
    const layers = await built("docker", from);
    expect(types(layers)).toEqual(Array(3).fill(`${OCI}+gzip`));
    expect(digests(layers).slice(0, 2)).toEqual(digests(before));
  });

  test("with zstd layers keeps them", async () => {
    const layout = world.path("zstd-base");
    await writeLayout(layout, tars, config, "zstd");
    const before = readLayout(layout).manifest.layers;
    const layers = await built("zstd", await pushed("zstd", layout));
    expect(layers.slice(0, 2)).toEqual(before);
    expect(types(layers)).toEqual([`${OCI}+zstd`, `${OCI}+zstd`, `${OCI}+gzip`]);
  });

  test("with uncompressed layers, from a layout folder: skopeo would compress them for a registry", async () => {
    const layout = world.path("plain-base");
    await writeLayout(layout, tars, config, "uncompressed");
    const layers = await built("plain", "base", "--build-context", `base=oci-layout://${layout}`);
    expect(layers.slice(0, 2)).toEqual(readLayout(layout).manifest.layers);
  });

  /** An index of the base and of one for another machine, by hand: skopeo makes none. */
  function multiPlatform(layout: string): void {
    cpSync(base, layout, { recursive: true });
    const { index, manifest, config } = readLayout(base);
    const put = (document: unknown, mediaType: string): Descriptor => {
      const bytes = Buffer.from(JSON.stringify(document));
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      writeFileSync(blobPath(layout, digest), bytes);
      return { mediaType, digest, size: bytes.length };
    };
    const foreign = { ...config, architecture: "riscv64", config: { ...config.config, Env: ["BASE=wrong"] } };
    const foreignManifest = put(
      { ...manifest, config: put(foreign, manifest.config.mediaType) },
      manifest.mediaType,
    );
    const own = readFileSync(blobPath(layout, index.manifests[0]?.digest ?? ""));
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const nested = put(
      {
        schemaVersion: 2,
        mediaType,
        manifests: [
          { ...foreignManifest, platform: { os: "linux", architecture: "riscv64" } },
          {
            mediaType: manifest.mediaType,
            digest: index.manifests[0]?.digest,
            size: own.length,
            platform: { os: config.os, architecture: config.architecture },
          },
        ],
      },
      mediaType,
    );
    const annotations = { "org.opencontainers.image.ref.name": "latest" };
    writeFileSync(
      join(layout, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...nested, annotations }] }),
    );
  }

  test("for several platforms: this machine's is taken, and one that is not there is told", async () => {
    const layout = world.path("multi");
    multiPlatform(layout);
    const target = await pushed("multi", layout, "--all");
    await built("multi", target);
    const folder = world.context("other", {
      Dockerfile: `FROM --platform=linux/s390x ${target}\nCOPY other/ /\n`,
    });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/has no image for linux\/s390x/);
    expect(stderr).toMatch(/hint: it has linux\/riscv64, linux\/(amd64|arm64)/);
  });
});
