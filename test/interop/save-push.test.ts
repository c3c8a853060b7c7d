import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { Podman } from "./podman.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "podman", "skopeo", "docker-registry");
if (reason !== undefined) console.log(`skipped: save, push and pull: ${reason}`);

describe.skipIf(reason !== undefined)("save, push and pull", () => {
  const world = new World();
  const other = new World();
  let server: RegistryServer;
  let id: string;
  beforeAll(async () => {
    server = await startRegistryServer(world);
    await importBusybox(world);
    const folder = world.context("app", {
      Dockerfile: "FROM busybox\nRUN echo hello > /hello\nCMD cat /hello\n",
    });
    id = (await world.ok(["build", "-q", "-t", "app:1", "-t", "app:2", folder])).stdout.trim();
  }, 300_000);
  afterAll(async () => {
    await server?.close();
    await new Podman(world).close();
    world.close();
    other.close();
  });

  test("podman loads and runs one of two saved images; saving again gives the same bytes", async () => {
    const podman = new Podman(world);
    const [first, second] = [world.path("1.tar"), world.path("2.tar")];
    await world.ok(["save", "-o", first, "app:1", "busybox", "app:2"]);
    await world.ok(["save", "-o", second, "app:1", "busybox", "app:2"]);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
    const { stdout } = await runOk("tar", ["-xOf", first, "manifest.json"]);
    expect(JSON.parse(stdout).map((entry: { RepoTags: string[] }) => entry.RepoTags)).toEqual([
      ["app:1", "app:2"],
      ["busybox:latest"],
    ]);
    await podman.ok("load", "-i", first);
    expect((await podman.ok("inspect", "--format", "{{.Id}}", "app:1")).stdout).toContain(id.slice(7));
    expect(await podman.run("app:1")).toBe("hello\n");
    for (const format of ["docker-archive", "oci-archive"]) {
      const saved = world.path(`${format}.tar`);
      await podman.ok("save", "--quiet", `--format=${format}`, "-o", saved, "app:1");
      expect((await other.ok(["load", "-i", saved])).stdout).toBe("Loaded image: localhost/app:1\n");
      const loaded = (await other.ok(["inspect", "-f", "{{.Id}}", "localhost/app:1"])).stdout.trim();
      // For a layout podman writes the config in OCI's form.
      expect(loaded === id).toBe(format === "docker-archive");
      expect((await other.ok(["run", "localhost/app:1"])).stdout).toBe("hello\n");
    }
  }, 300_000);

  test("a build goes straight into a podman that listens", async () => {
    const podman = new Podman(world);
    const service = await podman.listen();
    try {
      const output = ["--progress=plain", "-o", "type=docker,name=example.org/straight:1"];
      const { stderr } = await world.ok(["build", ...output, world.path("app")], {
        env: { CONTAINER_HOST: service.host },
      });
      expect(stderr).toMatch(/podman \d.*Loaded image: example.org\/straight:1/);
      expect(await podman.run("example.org/straight:1")).toBe("hello\n");
    } finally {
      await service.close();
    }
  }, 300_000);

  test("what was pulled is pushed as it came", async () => {
    const name = `${server.host}/app:1`;
    await world.ok(["tag", "app:1", name]);
    const pushed = (await world.ok(["push", name])).stdout.trim();
    const pulled = (await other.ok(["pull", name])).stdout.trim();
    expect(pulled).toBe(pushed);
    expect((await other.ok(["inspect", "--format", "{{.Id}} {{.RepoDigests}}", name])).stdout.trim()).toBe(
      `${id} [${pushed.replace(":1@", "@")}]`,
    );
    expect((await other.ok(["run", name])).stdout).toBe("hello\n");
    const copy = `${server.host}/copy:1`;
    await other.ok(["tag", name, copy]);
    const digests = async () =>
      JSON.parse((await other.ok(["inspect", "-f", "{{json .RepoDigests}}", id])).stdout);
    // A name given here is in no registry yet.
    expect(await digests()).toEqual([pushed.replace(":1@", "@")]);
    expect((await other.ok(["push", copy])).stdout.split("@")[1]).toBe(`${pushed.split("@")[1]}\n`);
    expect(await digests()).toEqual([copy, name].map((one) => `${one.slice(0, -2)}@${pushed.split("@")[1]}`));
    await other.ok(["rmi", name]);
    expect(await digests()).toEqual([`${copy.slice(0, -2)}@${pushed.split("@")[1]}`]);
    const seen = await runOk("skopeo", [
      "inspect",
      "--tls-verify=false",
      "--format",
      "{{.Digest}}",
      `docker://${copy}`,
    ]);
    expect(seen.stdout.trim()).toBe(pushed.split("@")[1]);
  }, 300_000);

  test("an ID cannot be pushed, and the hint says what to do", async () => {
    const refused = await world.tsbuild(["push", id]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("tsbuild tag");
  }, 300_000);
});
