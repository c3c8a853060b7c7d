import { readdirSync, readFileSync } from "node:fs";
import { type Digest, digestHex } from "@tsbuild/base";
import { parseIndex, parseManifest } from "@tsbuild/oci";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publishImage, publishIndex } from "./published.ts";
import { busyboxTar, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: layers that are only passed on: ${reason}`);

describe.skipIf(reason !== undefined)("layers that are only passed on", () => {
  let registry: TestRegistry;
  let base: string;
  let layer: Digest;
  const worlds: World[] = [];

  function machine(): World {
    const world = new World();
    worlds.push(world);
    return world;
  }

  beforeAll(async () => {
    registry = await startRegistry();
    const tar = readFileSync(await busyboxTar(machine()));
    ({ layer } = publishImage(registry, { repository: "team/base", tag: "1", tar, env: ["A=1"] }));
    base = `${registry.host}/team/base:1`;
  });
  afterAll(async () => {
    await registry.close();
    for (const world of worlds) world.close();
  });

  /** `METHOD PATH` of the requests for blobs since then. */
  const since = (asked: number) =>
    registry.requests
      .slice(asked)
      .flatMap(({ method, path }) => (path.includes("/blobs/") ? `${method} ${path}` : []));
  const fetched = (asked: number, digest = layer) =>
    since(asked).filter((request) => request.startsWith("GET ") && request.endsWith(digest));
  const layersOf = (repository: string) =>
    parseManifest(registry.manifestBytes(repository, "1") ?? new Uint8Array()).layers.map(
      ({ digest }) => digest,
    );
  const snapshotsOf = (world: World) => readdirSync(world.path("state", "v1", "snapshots"));

  test("a build that only sets metadata pushes its base by mounting it, and what it made can be used", async () => {
    const world = machine();
    const folder = world.context("app", { Dockerfile: `FROM ${base}\nLABEL l=x\nENV B=2\n` });
    // The layer is in the other repository only, as far as this one's HEAD tells.
    registry.onRequest = ({ method, path }) =>
      method === "HEAD" && path.startsWith("/v2/team/app/") ? { type: "status", status: 404 } : undefined;
    const asked = registry.requests.length;
    const app = `${registry.host}/team/app:1`;
    await world.build(folder, "--push", "-t", app);
    registry.onRequest = undefined;
    expect(fetched(asked)).toEqual([]);
    expect(since(asked)).toContain(
      `POST /v2/team/app/blobs/uploads/?mount=${encodeURIComponent(layer)}&from=team%2Fbase`,
    );
    expect(layersOf("team/app")).toEqual([layer]);
    expect(snapshotsOf(world)).toEqual([]);
    expect((await world.ok(["images", "-q"])).stdout.trim()).not.toBe("");
    expect((await world.ok(["inspect", "--format", "{{json .Config.Env}}", app])).stdout).toContain('"B=2"');
    const on = world.context("on", { Dockerfile: `FROM ${app}\nRUN echo $A$B > /seen\n` });
    const offline = await world.tsbuild(["build", "--offline", "-t", "on", on]);
    expect(offline.code).not.toBe(0);
    expect(offline.stderr).toContain("is not here (whole), and the build is offline");
    await world.build(on, "-t", "on");
    expect(await world.inside("on", "cat", "/seen")).toBe("12\n");
    expect(fetched(asked)).toHaveLength(1);
  });

  test("of several platforms become an index without a stop here; one of them can be used", async () => {
    const world = machine();
    const tar = readFileSync(await busyboxTar(world));
    // An archive may end earlier than its last block of zeros, so that this is another layer of the same files.
    const tars = { amd64: tar, arm64: Buffer.concat([tar, Buffer.alloc(10_240)]) };
    const layers = publishIndex(registry, { repository: "team/both", tag: "1", tars });
    const folder = world.context("app", { Dockerfile: `FROM ${registry.host}/team/both:1\nLABEL l=x\n` });
    const asked = registry.requests.length;
    const app = `${registry.host}/team/many:1`;
    await world.build(folder, "--platform=linux/amd64,linux/arm64", "--push", "-t", app);
    expect(layers.flatMap((digest) => fetched(asked, digest))).toEqual([]);
    expect(snapshotsOf(world)).toEqual([]);
    expect(parseIndex(registry.manifestBytes("team/many", "1") ?? new Uint8Array()).manifests).toHaveLength(
      2,
    );
    expect(await world.inside(app, "echo", "runs")).toBe("runs\n");
    expect(layers.map((digest) => fetched(asked, digest).length)).toEqual([1, 0]);
  });

  test("another registry gets them from the first, without a stop here", async () => {
    const world = machine();
    const other = await startRegistry();
    const folder = world.context("app", { Dockerfile: `FROM ${base}\nLABEL l=y\n` });
    const asked = registry.requests.length;
    const image = `${other.host}/copy:1`;
    await world.build(folder, "-o", `type=image,name=${image},push=true`);
    expect(other.blobBytes(layer)).toEqual(registry.blobBytes(layer));
    expect(fetched(asked)).toHaveLength(1);
    expect(readdirSync(world.path("state", "v1", "blobs", "sha256"))).not.toContain(digestHex(layer));
    expect(await world.inside(image, "echo", "runs")).toBe("runs\n");
    await other.close();
  });

  test("a registry that sends other bytes fails the push, and no name is left", async () => {
    const world = machine();
    const other = await startRegistry();
    const folder = world.context("app", { Dockerfile: `FROM ${base}\nLABEL l=lie\n` });
    const image = `${other.host}/copy:1`;
    registry.onRequest = ({ method, path }) =>
      method === "GET" && path.endsWith(layer) ? { type: "corrupt" } : undefined;
    const archive = world.path("app.tar");
    const [pushed, saved] = [
      await world.tsbuild(["build", "--push", "-t", image, folder]),
      await world.tsbuild(["build", "-o", `type=oci,dest=${archive}`, folder]),
    ];
    registry.onRequest = undefined;
    expect(pushed.code).not.toBe(0);
    expect(pushed.stderr).toContain(`pushing ${layer}`);
    expect((await world.ok(["images", "-q"])).stdout).toBe("");
    expect(saved.code).not.toBe(0);
    expect(saved.stderr).toContain(layer);
    expect(readdirSync(world.folder)).not.toContain("app.tar");
    registry.onRequest = ({ method, path }) =>
      method === "GET" && path.endsWith(layer) ? { type: "status", status: 404 } : undefined;
    const gone = await world.tsbuild(["build", "--push", "-t", image, folder]);
    registry.onRequest = undefined;
    expect(gone.code).not.toBe(0);
    expect(gone.stderr).toMatch(
      new RegExp(`ERROR: pulling ${layer} .*answered 404\\nhint: has the registry removed it`),
    );
    await other.close();
  });

  test("an archive gets them fetched and not unpacked; what changes them needs them unpacked", async () => {
    const world = machine();
    const folder = world.context("app", { Dockerfile: `FROM ${base}\nLABEL l=z\n` });
    await world.build(folder, "-o", `type=oci,dest=${world.path("oci")},tar=false`);
    expect(readFileSync(world.path("oci", "blobs", "sha256", digestHex(layer)))).toEqual(
      Buffer.from(registry.blobBytes(layer) ?? []),
    );
    expect(snapshotsOf(world)).toEqual([]);
    await world.build(
      folder,
      "-o",
      `type=oci,dest=${world.path("zstd")},tar=false,compression=zstd,force-compression=true`,
    );
    expect(snapshotsOf(world)).not.toEqual([]);
    // A name that is not pushed is kept here, whole.
    const named = machine();
    const same = named.context("app", { Dockerfile: `FROM ${base}\nLABEL l=z\n` });
    await named.build(same, "-t", "here", "-o", `type=registry,name=${registry.host}/team/there:1`);
    expect(await named.inside("here", "echo", "runs")).toBe("runs\n");
  });

  test("a build that finds all steps in a registry's cache needs no blob, and makes the same image", async () => {
    const files = { Dockerfile: `FROM ${base}\nRUN echo $A > /made\nCOPY f /f\n`, f: "f" };
    const cache = `type=registry,ref=${registry.host}/team/cache`;
    const first = machine();
    await first.build(
      first.context("app", files),
      "--cache-to",
      `${cache},mode=max`,
      "--push",
      "-t",
      `${registry.host}/team/one:1`,
    );
    const made = layersOf("team/one");
    const build = async (name: string): Promise<{ log: string; asked: number }> => {
      const world = machine();
      const asked = registry.requests.length;
      const image = `${registry.host}/team/${name}:1`;
      return {
        log: await world.build(world.context("app", files), "--cache-from", cache, "--push", "-t", image),
        asked,
      };
    };
    const { log, asked } = await build("two");
    expect(log).toMatch(/COPY f[^\n]*\n#\d+ CACHED/);
    expect(made.flatMap((digest) => fetched(asked, digest))).toEqual([]);
    expect(registry.manifestBytes("team/two", "1")).toEqual(registry.manifestBytes("team/one", "1"));
    // The registry has dropped the last layer from where the cache is: its step runs.
    const gone = made.at(-1)!;
    registry.onRequest = ({ path }) =>
      path.startsWith("/v2/team/cache/") && path.endsWith(gone) ? { type: "status", status: 404 } : undefined;
    const again = await build("three");
    registry.onRequest = undefined;
    expect(again.log).toMatch(/COPY f[^\n]*\n(?:#\d+ [^\n]*\n)*#\d+ DONE/);
    expect(layersOf("team/three")).toHaveLength(3);
  });
});
