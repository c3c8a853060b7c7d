import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, runOk, World } from "../e2e/world.ts";
import { type Layout, layoutProblems, readLayout, writeLayout } from "./layout.ts";
import { listing } from "./listing.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "skopeo", "umoci", "docker-registry");
if (reason !== undefined) console.log(`skipped: OCI layouts: ${reason}`);

const DOCKERFILE = [
  "FROM busybox",
  "COPY . /app/",
  "RUN rm /etc/second && rm -r /opt/old && mkdir /opt/old && echo new > /opt/old/new",
  "RUN true",
  "ENV A=1",
  'CMD ["ls", "/opt/old"]',
].join("\n");

describe.skipIf(reason !== undefined)("an OCI layout", () => {
  const world = new World();
  let registry: RegistryServer;
  let busybox: string;
  let base: Layout;
  let folder: string;

  beforeAll(async () => {
    registry = await startRegistryServer(world);
    world.env["TSBUILD_MIRROR"] = `docker.io=http://${registry.host}`;
    busybox = await busyboxTar(world);
    await twoLayerBase(world.path("base"), "2");
    base = readLayout(world.path("base"));
    await registry.push(`${world.path("base")}:latest`, "library/busybox:latest");
    // More than one block of every compressor, some of it random.
    const big = Buffer.alloc(6 << 20, "tsbuild ");
    for (let at = 0; at < big.length; at += 97) big[at] = (at * 2_654_435_761) >>> 24;
    folder = world.context("app", { Dockerfile: DOCKERFILE, big, "empty file": "", "a/b/c/d": "deep" });
  });
  afterAll(async () => {
    await registry.close();
    world.close();
  });

  /** Busybox, and a second layer with files for the build to delete. */
  async function twoLayerBase(layout: string, content: string): Promise<void> {
    const files = world.context("second", { "etc/second": content, "opt/old/file": "old" });
    const second = world.path("second.tar");
    await runOk("tar", [
      "-C",
      files,
      "--numeric-owner",
      "--owner=0",
      "--group=0",
      "-cf",
      second,
      "etc",
      "opt",
    ]);
    await writeLayout(layout, [busybox, second], { Cmd: ["sh"], Labels: { base: "yes" } });
  }

  /** Builds the context to a layout folder. */
  async function exported(name: string, attributes: string): Promise<string> {
    const layout = world.path(name);
    await world.build(folder, "-t", "app:1", "-o", `type=oci,tar=false,dest=${layout}${attributes}`);
    return layout;
  }

  test.each(["gzip", "estargz", "zstd", "uncompressed"])(
    "with %s layers has right digests everywhere",
    async (algorithm) => {
      const layout = await exported(`folder-${algorithm}`, `,compression=${algorithm}`);
      expect(await layoutProblems(layout)).toEqual([]);
      const { manifest, config, index } = readLayout(layout);
      const suffix = algorithm === "uncompressed" ? "tar" : `tar+${algorithm.replace("estargz", "gzip")}`;
      expect(manifest.layers.slice(2).map(({ mediaType }) => mediaType)).toEqual(
        Array(3).fill(`application/vnd.oci.image.layer.v1.${suffix}`),
      );
      expect(config.rootfs.diff_ids.slice(0, 2)).toEqual(base.config.rootfs.diff_ids);
      expect(config.config).toMatchObject({ Cmd: ["ls", "/opt/old"], Labels: { base: "yes" } });
      expect(index.manifests[0]?.annotations).toMatchObject({ "org.opencontainers.image.ref.name": "1" });
      expect(index.manifests[0]?.platform).toEqual({ os: config.os, architecture: config.architecture });
    },
  );

  test("as eStargz tells snapshotters where its tables are, and umoci unpacks it as any other", async () => {
    const layout = await exported("folder-lazy", ",compression=estargz");
    const { manifest } = readLayout(layout);
    const digests = manifest.layers.map(
      ({ annotations }) => annotations?.["containerd.io/snapshot/stargz/toc.digest"],
    );
    expect(digests.slice(0, 2)).toEqual([undefined, undefined]);
    for (const digest of digests.slice(2)) expect(digest).toMatch(/^sha256:/);
    await runOk("umoci", ["unpack", "--image", `${layout}:1`, world.path("lazy")]);
    const there = ["bin/busybox", "stargz.index.json", ".no.prefetch.landmark"].map(
      (path) => `lazy/rootfs/${path}`,
    );
    await runOk(
      "ls",
      there.map((path) => world.path(path)),
    );
  });

  test("has the base's layers as the registry has them", async () => {
    const layout = await exported("folder-base", "");
    const pushed = JSON.parse((await registry.manifest("library/busybox:latest")).toString());
    expect(readLayout(layout).manifest.layers.slice(0, 2)).toEqual(pushed.layers);
  });

  test("compressed anew where that is asked for, has the same diff IDs", async () => {
    const layout = await exported("folder-forced", ",compression=zstd,force-compression=true");
    expect(await layoutProblems(layout)).toEqual([]);
    const { manifest, config } = readLayout(layout);
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual(
      Array(5).fill("application/vnd.oci.image.layer.v1.tar+zstd"),
    );
    expect(config.rootfs.diff_ids.slice(0, 2)).toEqual(base.config.rootfs.diff_ids);
  });

  test("as a tar is the folder of the same options, and the same a second time", async () => {
    const layout = await exported("folder-again", ",compression=gzip");
    const unpacked = world.path("from-tar");
    const tar = world.path("app.tar");
    await world.build(folder, "-t", "app:1", "-o", `type=oci,dest=${tar},compression=gzip`);
    await runOk("sh", ["-c", `mkdir ${unpacked} && tar -C ${unpacked} -xf ${tar}`]);
    expect(await layoutProblems(unpacked)).toEqual([]);
    await runOk("diff", ["-r", layout, unpacked]);
  });

  test("goes to a registry and back by skopeo without a change", async () => {
    const layout = await exported("folder-push", "");
    const { index } = readLayout(layout);
    await registry.push(`${layout}:1`, "team/app:1");
    const back = world.path("back");
    const source = `docker://${registry.host}/team/app:1`;
    await runOk("skopeo", ["copy", "--quiet", "--src-tls-verify=false", source, `oci:${back}:1`]);
    expect(readLayout(back).index.manifests[0]?.digest).toBe(index.manifests[0]?.digest);
    expect(readdirSync(`${back}/blobs/sha256`).sort()).toEqual(readdirSync(`${layout}/blobs/sha256`).sort());
  });

  test("is unpacked by umoci to the files of tsbuild's own export", async () => {
    const layout = await exported("folder-umoci", "");
    const bundle = world.path("bundle");
    await runOk("umoci", ["unpack", "--image", `${layout}:1`, bundle]);
    await world.build(folder, "-o", `type=local,dest=${world.path("local")}`);
    await runOk("diff", ["-r", "--no-dereference", `${bundle}/rootfs`, world.path("local")]);
    expect(await listing(world.path("local"))).toEqual(await listing(`${bundle}/rootfs`));
    expect(readdirSync(`${bundle}/rootfs/opt/old`)).toEqual(["new"]);
    expect(readdirSync(`${bundle}/rootfs/etc`)).not.toContain("second");
  });

  test("pushed, is the base of a build by digest in another state folder", async () => {
    const layout = await exported("folder-digest", "");
    const digest = readLayout(layout).index.manifests[0]?.digest;
    await registry.push(`${layout}:1`, "team/app:digest");
    const child = world.context("by-digest", {
      Dockerfile: `FROM ${registry.host}/team/app@${digest}\nRUN ls /opt/old /app > /seen; echo $A >> /seen\n`,
    });
    const env = { TSBUILD_ROOT: world.path("other-state") };
    await world.ok(["build", "--progress=plain", "-t", "child", child], { env });
    expect((await world.ok(["run", "child", "cat", "/seen"], { env })).stdout).toBe(
      "/app:\nDockerfile\na\nbig\nempty file\n\n/opt/old:\nnew\n1\n",
    );
  });

  test("a base that moved in the registry is noticed with --pull and not before", async () => {
    const child = world.context("moved", { Dockerfile: "FROM team/moving\nRUN cat /etc/second > /seen\n" });
    await registry.push(`${world.path("base")}:latest`, "team/moving:latest");
    await world.build(child, "-t", "moved");
    await twoLayerBase(world.path("moved-base"), "3");
    await registry.push(`${world.path("moved-base")}:latest`, "team/moving:latest");
    expect(await world.build(child, "-t", "moved")).toMatch(/RUN cat[^\n]*\n#\d+ CACHED/);
    await world.build(child, "-t", "moved", "--pull");
    expect(await world.inside("moved", "cat", "/seen")).toBe("3");
  });
});
