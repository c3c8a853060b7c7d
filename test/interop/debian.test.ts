import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main, missing, runOk, World } from "../e2e/world.ts";
import { debianLayout, nodeContext, npmFolder } from "./debian-base.ts";
import { blobPath, layoutProblems, readLayout } from "./layout.ts";
import { Podman } from "./podman.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";
import { runBundle, startBundle, unpackBundle } from "./runc.ts";
import { bodyOnceUp, freePort, type Service, startService } from "./service.ts";

const reason = missing("mmdebstrap", "docker-registry", "skopeo", "umoci", "runc", "podman", "tar");
if (reason !== undefined) console.log(`skipped: builds on Debian: ${reason}`);

const repository = join(import.meta.dirname, "../..");

describe.skipIf(reason !== undefined)("on Debian", () => {
  const world = new World();
  const podman = new Podman(world);
  let registry: RegistryServer;

  beforeAll(async () => {
    registry = await startRegistryServer(world);
    world.env["TSBUILD_MIRROR"] = `docker.io=http://${registry.host}`;
    await registry.push(`${await debianLayout(world)}:latest`, "library/debian:bookworm-slim");
  });
  afterAll(async () => {
    await podman.close();
    await registry.close();
    world.close();
  });

  describe("nginx", () => {
    const layout = world.path("nginx-layout");
    let port: number;

    beforeAll(async () => {
      port = await freePort();
      const folder = world.context("nginx", {
        Dockerfile: [
          "FROM debian:bookworm-slim",
          "ENV DEBIAN_FRONTEND=noninteractive",
          "RUN apt-get update && apt-get install -y --no-install-recommends nginx-light \\",
          "    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin",
          "COPY nginx.conf /etc/nginx/nginx.conf",
          "COPY --chown=www-data:www-data pages /srv/pages/",
          `EXPOSE ${port}/tcp`,
          `HEALTHCHECK --interval=10s --retries=3 CMD nginx -t`,
          'CMD ["nginx", "-g", "daemon off;"]',
        ].join("\n"),
        "nginx.conf": [
          "user www-data; worker_processes 1; error_log stderr; pid /run/nginx.pid; events {}",
          `http { access_log off; server { listen 127.0.0.1:${port}; root /srv/pages; } }`,
        ].join("\n"),
        "pages/index.html": "<h1>It works</h1>\n",
      });
      const tar = world.path("nginx.tar");
      await world.build(folder, "-t", "nginx", "-o", `type=oci,dest=${tar}`);
      await runOk("sh", ["-c", `mkdir ${layout} && tar -C ${layout} -xf ${tar}`]);
    });

    test("skopeo reads the archive; its digests are right", async () => {
      const { stdout } = await runOk("skopeo", ["inspect", `oci-archive:${world.path("nginx.tar")}`]);
      const { manifest, index } = readLayout(layout);
      expect(JSON.parse(stdout)).toMatchObject({
        Digest: index.manifests[0]?.digest,
        Os: "linux",
        Layers: manifest.layers.map(({ digest }) => digest),
      });
      expect(await layoutProblems(layout)).toEqual([]);
    });

    test("the config says what the Dockerfile says", () => {
      const { config } = readLayout(layout);
      expect(config.config).toMatchObject({
        Cmd: ["nginx", "-g", "daemon off;"],
        ExposedPorts: { [`${port}/tcp`]: {} },
        Healthcheck: { Test: ["CMD-SHELL", "nginx -t"], Interval: 10e9, Retries: 3 },
      });
      expect(
        config.history.map(({ created_by, empty_layer }) => [created_by?.split(" ")[0], empty_layer]),
      ).toEqual([
        ["a", undefined],
        ["ENV", true],
        ["RUN", undefined],
        ["COPY", undefined],
        ["COPY", undefined],
        ["EXPOSE", true],
        ["HEALTHCHECK", true],
        ["CMD", true],
      ]);
    });

    test("the layer of apt-get holds nothing of the sandbox", async () => {
      const layer = readLayout(layout).manifest.layers[1]?.digest ?? "";
      const { stdout } = await runOk("tar", ["-tzf", blobPath(layout, layer)]);
      const paths = stdout.split("\n");
      expect(paths).toContain("usr/sbin/nginx");
      expect(
        paths.filter((path) =>
          /^(proc|sys|dev|run\/secrets)\/.|^etc\/(resolv\.conf|hosts|hostname)$/.test(path),
        ),
      ).toEqual([]);
    });

    test("its bill of materials has the packages that dpkg knows, and no other", async () => {
      const format = "${db:Status-Abbrev} ${Package} ${Version}\\n";
      const { stdout } = await world.ok(["run", "nginx", "dpkg-query", "-W", "-f", format]);
      const installed = stdout.split("\n").filter((line) => line.startsWith("ii "));
      const document = JSON.parse((await world.ok(["image", "sbom", "nginx"])).stdout);
      const debs = (document.packages as { SPDXID: string; name: string; versionInfo: string }[])
        .filter(({ SPDXID }) => SPDXID.startsWith("SPDXRef-Package-deb-"))
        .map(({ name, versionInfo }) => `${name} ${versionInfo}`);
      expect(debs.sort()).toEqual(installed.map((line) => line.slice(2).trim()).sort());
      expect(debs.length).toBeGreaterThan(60);
      expect(document.creationInfo).not.toHaveProperty("comment");
    });

    test("serves its page from umoci's bundle under runc", async () => {
      const service = await startBundle(world, await unpackBundle(world, layout, "nginx-bundle"));
      await expectPage(service);
    });

    test("serves its page under tsbuild run", async () => {
      await expectPage(await startedByTsbuild("nginx"));
    });

    async function expectPage(service: Service): Promise<void> {
      try {
        expect(await bodyOnceUp(`http://127.0.0.1:${port}/`, service)).toBe("<h1>It works</h1>\n");
      } finally {
        await service.stop();
      }
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    }
  });

  function startedByTsbuild(...args: readonly string[]): Promise<Service> {
    const env = Object.entries({ ...world.env, TSBUILD_ROOT: world.root }).map(
      ([key, value]) => `${key}=${value}`,
    );
    // The page is asked for from here: a private network has no ports on the host.
    const flags = ["--disable-warning=ExperimentalWarning", main, "run", "--network", "host", ...args];
    return startService("env", [...env, process.execPath, ...flags]);
  }

  test("a compiler's result alone in an image from scratch", async () => {
    const example = join(repository, "examples/hello-c");
    const base = world.context("gcc", {
      Dockerfile: [
        "FROM debian:bookworm-slim",
        "RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev",
      ].join("\n"),
    });
    await world.build(base, "-t", "gcc");
    const layout = world.path("hello-layout");
    const outputs = [
      "-o",
      `type=oci,tar=false,dest=${layout}`,
      "-o",
      `type=docker,dest=${world.path("hello.tar")}`,
    ];
    await world.build(example, "--build-arg", "BASE=gcc", "-t", "example.org/hello", ...outputs);
    const bundle = await unpackBundle(world, layout, "hello-bundle");
    expect(readdirSync(join(bundle, "rootfs"), { recursive: true })).toEqual(["hello"]);
    expect(await world.inside("example.org/hello", "you")).toBe("Hello, you!\n");
    expect(await runBundle(world, bundle)).toBe("Hello, world!\n");
    await podman.ok("load", "--quiet", "--input", world.path("hello.tar"));
    expect(await podman.run("example.org/hello:latest", "podman")).toBe("Hello, podman!\n");
  });

  const npm = npmFolder();
  if (npm === undefined)
    console.log("skipped: the Node application: needs an npm that is complete in itself");

  describe.skipIf(npm === undefined)("a Node application", () => {
    const folder = world.path("node-app");
    const build = (): Promise<string> => world.build(folder, "--build-arg", "BASE=node", "-t", "node-app");
    let first: string;

    beforeAll(async () => {
      await world.build(nodeContext(world, npm ?? ""), "-t", "node");
      cpSync(join(repository, "examples/node-app"), folder, { recursive: true });
      first = await build();
    });

    test("is installed by npm ci and tested, and serves", async () => {
      expect(first).toMatch(/added 1 package/);
      expect(await world.inside("node-app", "cat", "/usr/share/doc/node-app/test.log")).toMatch(/pass 2\n/);
      const port = await freePort();
      const service = await startedByTsbuild("-e", `PORT=${port}`, "-e", "HOST=127.0.0.1", "node-app");
      try {
        expect(await bodyOnceUp(`http://127.0.0.1:${port}/?name=you`, service)).toBe("Hello, you!\n");
      } finally {
        await service.stop();
      }
    });

    test("with one source changed, builds only what depends on it and says so", async () => {
      const source = join(folder, "src/main.js");
      writeFileSync(source, `${readFileSync(source, "utf8")}// changed\n`);
      const log = await build();
      expect(statusOf(log, "RUN --mount=type=cache,target=/root/.npm npm ci")).toBe("CACHED");
      expect(statusOf(log, "COPY test test")).toBe("DONE");
      expect(statusOf(log, "RUN npm test")).toBe("DONE");
      expect(log).toMatch(/changed: src\/main\.js/);
      expect(await world.inside("node-app", "tail", "-n", "1", "src/main.js")).toBe("// changed\n");
    });

    test("with its lock file changed, installs again from the kept cache", async () => {
      const lock = join(folder, "package-lock.json");
      writeFileSync(lock, `${readFileSync(lock, "utf8")}\n`);
      const log = await build();
      expect(statusOf(log, "RUN --mount=type=cache,target=/root/.npm npm ci")).toBe("DONE");
      expect(log).toMatch(/changed: package-lock\.json/);
      const look = world.context("npm-cache", {
        Dockerfile:
          "FROM node\nRUN --mount=type=cache,target=/root/.npm ls /root/.npm/_logs > /logs; ls -A /root > /root-files\n",
      });
      await world.build(look, "-t", "npm-cache");
      expect((await world.inside("npm-cache", "cat", "/logs")).trim().split("\n")).toHaveLength(2);
    });
  });
});

/** How the vertex whose name contains the text ended in a plain log: CACHED, DONE or nothing. */
function statusOf(log: string, name: string): string | undefined {
  const lines = log.split("\n");
  const id = lines.find((line) => line.includes(name))?.split(" ")[0];
  return lines.map((line) => /^(#\d+) (CACHED|DONE)/.exec(line)).find((match) => match?.[1] === id)?.[2];
}
