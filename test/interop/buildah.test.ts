import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { Podman } from "./podman.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "buildah", "podman", "docker-registry");
if (reason !== undefined) console.log(`skipped: images between buildah, tsbuild and podman: ${reason}`);

interface PushedManifest {
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

describe.skipIf(reason !== undefined)("an image that goes from tool to tool", () => {
  const world = new World();
  const other = new World();
  const podman = new Podman(world);
  let server: RegistryServer;
  beforeAll(async () => {
    server = await startRegistryServer(world);
    await importBusybox(world);
  }, 300_000);
  afterAll(async () => {
    await podman.close();
    await server?.close();
    world.close();
    other.close();
  });

  /** buildah with storage of its own, in the world's folder; its steps need no more of the machine than chroot. */
  async function buildah(...args: readonly string[]): Promise<string> {
    const storage = ["--root", world.path("buildah/root"), "--runroot", world.path("buildah/run")];
    const { stdout } = await runOk("buildah", [...storage, "--storage-driver=vfs", ...args]);
    return stdout.trim();
  }

  const layersOf = async (name: string): Promise<PushedManifest["layers"]> =>
    (JSON.parse((await server.manifest(name)).toString()) as PushedManifest).layers.map(
      ({ digest, size }) => ({
        digest,
        size,
      }),
    );

  test("keeps its layers bit by bit: tsbuild, buildah on it, tsbuild on that, podman", async () => {
    const [first, second, third] = ["first:1", "second:1", "third:1"].map(
      (name) => `${server.host}/chain/${name}`,
    );
    const own = world.context("own", { Dockerfile: "FROM busybox\nRUN echo tsbuild > /one\n" });
    await world.ok(["build", "-q", "-t", first!, "--push", own]);
    // buildah: from, a step, commit and push.
    const container = await buildah("from", "--tls-verify=false", first!);
    expect(await buildah("run", "--isolation=chroot", container, "cat", "/one")).toBe("tsbuild");
    await buildah("run", "--isolation=chroot", container, "sh", "-c", "echo buildah > /two");
    await buildah("config", "--env", "MADE=buildah", "--cmd", "cat /one /two /three", container);
    await buildah("commit", "--quiet", "--tls-verify=false", container, `docker://${second}`);
    // A tsbuild that has never seen any of it.
    const foreign = other.context("foreign", {
      Dockerfile: `FROM ${second}\nRUN echo $MADE again > /three\n`,
    });
    await other.ok(["build", "-q", "-t", third!, "--push", foreign]);
    const [one, two, three] = [
      await layersOf("chain/first:1"),
      await layersOf("chain/second:1"),
      await layersOf("chain/third:1"),
    ];
    expect(one).toHaveLength(2);
    // buildah pushes what it unpacked and packed again, unless it knows the blobs to be there.
    expect(two).toHaveLength(3);
    expect(three.slice(0, 3)).toEqual(two);
    expect(two.slice(0, 2)).toEqual(one);
    await podman.ok("pull", "--quiet", "--tls-verify=false", third!);
    expect(await podman.run(third!)).toBe("tsbuild\nbuildah\nbuildah again\n");
    const ids = (await podman.ok("inspect", "--format", "{{json .RootFS.Layers}}", third!)).stdout;
    const known = (await other.ok(["inspect", "-f", "{{json .RootFS.Layers}}", third!])).stdout;
    expect(JSON.parse(ids)).toEqual(JSON.parse(known));
  }, 300_000);
});
