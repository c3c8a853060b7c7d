import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { findProgram, importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { type DockerDaemon, startDockerDaemon } from "./docker-daemon.ts";
import { Podman } from "./podman.ts";
import { startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "podman", "skopeo", "docker-registry");
if (reason !== undefined) console.log(`skipped: loading docker archives: ${reason}`);

const DOCKERFILE = [
  "FROM busybox",
  "ENV GREETING=hello NAME='big world'",
  "WORKDIR /srv/app",
  "COPY --chown=alice:staff --chmod=0640 message .",
  "RUN mkdir -p /deep/er && echo one > /deep/er/file && ln /deep/er/file /hard && ln -s er/file /deep/soft",
  "RUN rm /deep/er/file && mkfifo /pipe && cp /bin/busybox /suid && chmod 4755 /suid",
  "USER alice",
  "EXPOSE 8080 53/udp",
  "VOLUME /data",
  'LABEL org.example.title="Hello, world"',
  "STOPSIGNAL SIGINT",
  'HEALTHCHECK --interval=30s --timeout=3s --retries=2 CMD ["test", "-e", "/hard"]',
  'ENTRYPOINT ["sh", "-c"]',
  'CMD ["echo $GREETING $NAME; id -un; pwd; cat message /hard"]',
].join("\n");

const OUTPUT = "hello big world\nalice\n/srv/app\nthe message\none\n";

/** One line each: mode and owner of what COPY and RUN made, and what is gone. */
const LOOK = "stat -c '%a %U:%G %h %F' message /hard /pipe /suid; readlink /deep/soft; ls /deep/er | wc -l";
const SEEN =
  "640 alice:staff 1 regular file\n644 root:root 2 regular file\n644 root:root 1 fifo\n4755 root:root 1 regular file\ner/file\n0\n";

interface SavedConfig {
  readonly architecture: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly created_by: string; readonly empty_layer?: boolean }[];
}

describe.skipIf(reason !== undefined)("a docker archive", () => {
  const world = new World();
  const podman = new Podman(world);
  const tar = world.path("loaded.tar");
  let imageId: string;
  let config: SavedConfig;

  beforeAll(async () => {
    await importBusybox(world);
    const folder = world.context("loaded", { Dockerfile: DOCKERFILE, message: "the message\n" });
    const output = ["-o", `type=docker,dest=${tar}`, "--iidfile", world.path("iid")];
    await world.build(folder, "-t", "loaded:1.0", "-t", "example.org/team/loaded", ...output);
    imageId = (await runOk("cat", [world.path("iid")])).stdout;
    const manifest = JSON.parse((await runOk("tar", ["-xOf", tar, "manifest.json"])).stdout) as [
      { Config: string; RepoTags: string[]; Layers: string[] },
    ];
    expect(manifest[0].RepoTags).toEqual(["loaded:1.0", "example.org/team/loaded:latest"]);
    config = JSON.parse((await runOk("tar", ["-xOf", tar, manifest[0].Config])).stdout) as SavedConfig;
  });
  afterAll(async () => {
    await podman.close();
    world.close();
  });

  test("has the config that the Dockerfile asks for", () => {
    expect(config.config).toEqual({
      User: "alice",
      ExposedPorts: { "53/udp": {}, "8080/tcp": {} },
      Env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "GREETING=hello",
        "NAME=big world",
      ],
      Entrypoint: ["sh", "-c"],
      Cmd: ["echo $GREETING $NAME; id -un; pwd; cat message /hard"],
      Volumes: { "/data": {} },
      WorkingDir: "/srv/app",
      Labels: { "org.example.title": "Hello, world" },
      StopSignal: "SIGINT",
      Healthcheck: {
        Test: ["CMD", "test", "-e", "/hard"],
        Interval: 30e9,
        Timeout: 3e9,
        Retries: 2,
      },
      ArgsEscaped: true,
    });
  });

  test("is read by skopeo, which finds the same config", async () => {
    const raw = await runOk("skopeo", ["inspect", "--config", "--raw", `docker-archive:${tar}`]);
    expect(JSON.parse(raw.stdout)).toEqual(config);
  });

  test("is loaded by podman under its names and runs there", async () => {
    const loaded = await podman.ok("load", "--quiet", "--input", tar);
    expect(loaded.stdout).toMatch(/localhost\/loaded:1\.0/);
    expect(loaded.stdout).toMatch(/example\.org\/team\/loaded:latest/);
    const id = await podman.ok("image", "inspect", "--format", "sha256:{{.Id}}", "localhost/loaded:1.0");
    expect(id.stdout.trim()).toBe(imageId);
    expect(await podman.run("localhost/loaded:1.0")).toBe(OUTPUT);
    expect(await podman.run("example.org/team/loaded:latest", LOOK)).toBe(SEEN);
  });

  test("runs the same in tsbuild itself", async () => {
    expect(await world.inside("loaded:1.0")).toBe(OUTPUT);
    expect(await world.inside("example.org/team/loaded", LOOK)).toBe(SEEN);
  });

  test("pushed to a registry by podman, is a base image of the next build", async () => {
    const registry = await startRegistryServer(world);
    try {
      const name = `${registry.host}/team/loaded:again`;
      await podman.ok("push", "--quiet", "--tls-verify=false", "localhost/loaded:1.0", name);
      const dockerfile = `FROM ${name}\nRUN id -un > /tmp/who; cat message >> /tmp/who\n`;
      await world.build(world.context("child", { Dockerfile: dockerfile }), "-t", "child");
      expect(await world.inside("child", "cat /tmp/who; ls -l /suid | cut -c 1-10")).toBe(
        "alice\nthe message\n-rwsr-xr-x\n",
      );
    } finally {
      await registry.close();
    }
  });

  test("saved as a layout by podman, is a named context", async () => {
    const saved = world.path("saved");
    await podman.ok("save", "--quiet", "--format=oci-dir", "--output", saved, "localhost/loaded:1.0");
    const folder = world.context("on-saved", { Dockerfile: "FROM saved\nRUN cat message > /tmp/copy\n" });
    await world.build(folder, "-t", "on-saved", "--build-context", `saved=oci-layout://${saved}`);
    expect(await world.inside("on-saved", "cat /tmp/copy")).toBe("the message\n");
  });

  test("is loaded by dockerd and runs there", async (context) => {
    const daemon = await startedOrSkipped(world, context);
    try {
      expect(await daemon.load(tar)).toMatch(/loaded:1\.0/);
      const inspected = await daemon.inspect("loaded:1.0");
      expect(inspected["Id"]).toBe(imageId);
      expect(inspected["RepoTags"]).toEqual(
        expect.arrayContaining(["loaded:1.0", "example.org/team/loaded:latest"]),
      );
      expect((inspected["RootFS"] as { Layers: string[] }).Layers).toEqual(config.rootfs.diff_ids);
      expect(inspected["Config"]).toMatchObject(config.config);
      expect(await daemon.run("loaded:1.0")).toBe(OUTPUT);
      expect(await daemon.run("example.org/team/loaded", LOOK)).toBe(SEEN);
      const folder = world.context("straight", {
        Dockerfile: "FROM loaded:1.0\nRUN echo straight > /tmp/in\n",
      });
      const env = { DOCKER_HOST: daemon.host };
      const flags = ["--load", "-t", "straight:1", "--progress=plain"];
      const { stderr } = await world.ok(["build", ...flags, folder], { env });
      expect(stderr).toMatch(/docker \d.*Loaded image: straight:1/);
      expect(await daemon.run("straight:1", "cat /tmp/in")).toBe("straight\n");
      const saved = world.path("docker-saved.tar");
      await daemon.save("loaded:1.0", saved);
      await world.ok(["rmi", "-f", imageId]);
      expect((await world.ok(["load", "-i", saved])).stdout).toBe("Loaded image: loaded:1.0\n");
      expect((await world.ok(["inspect", "-f", "{{.Id}}", "loaded:1.0"])).stdout.trim()).toBe(imageId);
      expect(await world.inside("loaded:1.0", LOOK)).toBe(SEEN);
    } finally {
      await daemon.close();
    }
  });
});

/** dockerd needs more of a machine than the other programs: cgroups and an overlay of its own. */
async function startedOrSkipped(world: World, context: TestContext): Promise<DockerDaemon> {
  const skip = (why: string): never => {
    console.log(`skipped: docker load: ${why}`);
    return context.skip(why);
  };
  if (findProgram("dockerd") === undefined) return skip("needs dockerd (apt-get install docker.io)");
  try {
    return await startDockerDaemon(world);
  } catch (error) {
    const log = error instanceof Error ? error.message : String(error);
    return skip(`dockerd does not start here: ${log.trimEnd().split("\n").at(-1)}`);
  }
}
