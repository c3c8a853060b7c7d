import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  type GhaServer,
  type S3Server,
  startGhaServer,
  startRegistry,
  startS3Server,
  type TestRegistry,
} from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: shared caches: ${reason}`);

const DOCKERFILE = [
  "FROM busybox AS tools",
  "RUN echo tool > /tool",
  "FROM busybox AS build",
  "COPY src /src",
  "COPY --from=tools /tool /tool",
  "RUN cat /src/a /tool > /out",
  "FROM busybox",
  "COPY --from=build /out /out",
  "RUN echo done >> /out",
  "",
].join("\n");

const SECRET = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret/with+signs" };

describe.skipIf(reason !== undefined)("sharing a cache", () => {
  let world: World;
  let registry: TestRegistry;
  let s3: S3Server;
  let gha: GhaServer;
  let context: string;
  let base: string;
  let machines = 0;

  beforeAll(async () => {
    world = new World();
    [registry, s3, gha] = await Promise.all([startRegistry(), startS3Server(SECRET), startGhaServer()]);
    context = world.context("context", { Dockerfile: DOCKERFILE, "src/a": "a\n" });
    base = await busyboxTar(world);
  });
  afterAll(async () => {
    await Promise.all([registry.close(), s3.close(), gha.close()]);
    world.close();
  });

  /** A machine that has built nothing yet. */
  async function machine(): Promise<
    (...flags: readonly string[]) => Promise<{ code: number; stderr: string }>
  > {
    const env = { TSBUILD_ROOT: world.path(`state-${++machines}`) };
    await world.ok(["import", base, "busybox", "--change", 'CMD ["sh"]'], { env });
    return (...flags) =>
      world.tsbuild(["build", "--progress=plain", "-t", "app", ...flags, context], { env });
  }

  /** Steps that ran, without numbers. */
  function ran({ stderr }: { readonly stderr: string }): string[] {
    const names = new Map(
      [...stderr.matchAll(/^#(\d+) (\[.*\] (?:RUN|COPY).*)$/gm)].map(([, id, name]) => [id, name]),
    );
    const cached = new Set([...stderr.matchAll(/^#(\d+) CACHED/gm)].map(([, id]) => id));
    return [...names].filter(([id]) => !cached.has(id)).map(([, name]) => (name ?? "").replace(/^.*\] /, ""));
  }

  async function exported(...to: readonly string[]): Promise<string> {
    const finished = await (await machine())(...to.flatMap((spec) => ["--cache-to", spec]));
    expect(finished.code, finished.stderr).toBe(0);
    return finished.stderr;
  }

  async function imported(from: string): Promise<{ code: number; stderr: string }> {
    const finished = await (await machine())("--cache-from", from);
    expect(finished.code, finished.stderr).toBe(0);
    return finished;
  }

  const places = (): Record<string, { readonly to: string; readonly from: string }> => {
    const registryRef = `ref=${registry.host}/cache:1`;
    const bucket = `bucket=caches,region=eu-1,name=main,prefix=team a/,endpoint_url=${s3.url},use_path_style=true,access_key_id=${SECRET.accessKeyId},secret_access_key=${SECRET.secretAccessKey}`;
    return {
      registry: { to: `type=registry,${registryRef}`, from: `type=registry,${registryRef}` },
      index: {
        to: `type=local,dest=${world.path("index")},image-manifest=false,tag=old`,
        from: `type=local,src=${world.path("index")},tag=old`,
      },
      local: { to: `type=local,dest=${world.path("cache")}`, from: `type=local,src=${world.path("cache")}` },
      zstd: {
        to: `type=local,dest=${world.path("zstd")},compression=zstd,force-compression=true`,
        from: `type=local,src=${world.path("zstd")}`,
      },
      s3: { to: `type=s3,${bucket}`, from: `type=s3,${bucket}` },
      gha1: {
        to: `type=gha,url=${gha.url},token=${gha.token},scope=one`,
        from: `type=gha,url=${gha.url},token=${gha.token},scope=one`,
      },
      gha2: {
        to: `type=gha,url_v2=${gha.url},token=${gha.token},scope=two`,
        from: `type=gha,url_v2=${gha.url},token=${gha.token},scope=two`,
      },
    };
  };

  test.each(["registry", "index", "local", "zstd", "s3", "gha1", "gha2"])(
    "%s: mode=max brings every step to another machine, mode=min the last",
    async (kind) => {
      const { to, from } = places()[kind]!;
      await exported(`${to},mode=max`);
      const all = await imported(from);
      expect(ran(all), all.stderr).toEqual([]);
      expect(all.stderr).toContain("CACHED (from ");
      await exported(to);
      const last = await imported(from);
      expect(ran(last), last.stderr).toContain("RUN cat /src/a /tool > /out");
      expect(ran(last)).not.toContain("RUN echo done >> /out");
    },
  );

  test("a changed source runs only what depends on it, and results are right", async () => {
    const { to, from } = places()["registry"]!;
    await exported(`${to},mode=max`);
    writeFileSync(world.path("context/src/a"), "b\n");
    try {
      const changed = await imported(from);
      expect(ran(changed).toSorted(), changed.stderr).toEqual([
        "COPY --from=build /out /out",
        "COPY --from=tools /tool /tool",
        "COPY src /src",
        "RUN cat /src/a /tool > /out",
        "RUN echo done >> /out",
      ]);
      const env = { TSBUILD_ROOT: world.path(`state-${machines}`) };
      expect((await world.ok(["run", "app", "cat", "/out"], { env })).stdout).toBe("b\ntool\ndone\n");
    } finally {
      writeFileSync(world.path("context/src/a"), "a\n");
    }
  });

  test("an image carries its cache: inline", async () => {
    const image = `${registry.host}/app:inline`;
    const pushed = await (await machine())("--cache-to", "type=inline", "-o", `type=registry,name=${image}`);
    expect(pushed.code, pushed.stderr).toBe(0);
    const last = await imported(image);
    expect(ran(last)).not.toContain("RUN echo done >> /out");
    expect(last.stderr).toContain("CACHED (from registry");
  });

  test("an export again sends nothing, and says so", async () => {
    const build = await machine();
    const flags = ["--cache-to", `type=registry,ref=${registry.host}/again:1,mode=max`];
    await build(...flags);
    const again = await build(...flags);
    expect(again.stderr).toMatch(/6 results; sent 0\.00 MB, 1\.\d MB were there already/);
  });

  test("a cache that is not there is warned of", async () => {
    const finished = await imported(`${registry.host}/nothing:1`);
    expect(finished.stderr).toMatch(/- cache: the cache registry .*nothing:1 is not used/);
    expect(finished.stderr).not.toContain("1 failed");
  });

  test("an export that fails fails the build, unless ignore-error", async () => {
    const dest = world.path("a-file");
    writeFileSync(dest, "");
    const failed = await (await machine())("--cache-to", `type=local,dest=${dest}`);
    expect(failed.code).not.toBe(0);
    const ignored = await (await machine())("--cache-to", `type=local,dest=${dest},ignore-error=true`);
    expect(ignored.code, ignored.stderr).toBe(0);
    expect(ignored.stderr).toContain("the cache was not exported to");
  });

  test("layers that are not what their digests say are not used: their steps run", async () => {
    const to = world.path("damaged");
    await exported(`type=local,dest=${to},mode=max`);
    const blobs = world.path("damaged/blobs/sha256");
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(`${blobs}/${name}`);
      if (bytes[0] !== 0x1f) continue;
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(`${blobs}/${name}`, bytes);
    }
    const finished = await imported(`type=local,src=${to}`);
    expect(ran(finished)).toContain("RUN cat /src/a /tool > /out");
    expect(finished.stderr).toContain("cannot be used, its step runs");
    const env = { TSBUILD_ROOT: world.path(`state-${machines}`) };
    expect((await world.ok(["run", "app", "cat", "/out"], { env })).stdout).toBe("a\ntool\ndone\n");
  });

  test("two machines that export to one folder at once leave both tags whole", async () => {
    const [one, two] = [await machine(), await machine()];
    const dest = world.path("both");
    const to = (tag: string) => ["--cache-to", `type=local,dest=${dest},mode=max,reset=true,tag=${tag}`];
    const done = await Promise.all([one(...to("one")), two(...to("two"))]);
    expect(done.map(({ code, stderr }) => (code === 0 ? "" : stderr))).toEqual(["", ""]);
    for (const tag of ["one", "two"])
      expect(ran(await imported(`type=local,src=${dest},tag=${tag}`))).toEqual([]);
  });

  test("a killed export leaves the cache as it was", async () => {
    const dest = world.path("killed");
    await exported(`type=local,dest=${dest},mode=max`);
    const index = readFileSync(`${dest}/index.json`, "utf8");
    const env = { TSBUILD_ROOT: world.path(`state-${machines}`) };
    for (const killAfterMs of [400, 700, 1000]) {
      await world.tsbuild(
        ["build", "--no-cache", "--cache-to", `type=local,dest=${dest},mode=max`, context],
        { env, killAfterMs },
      );
    }
    expect(existsSync(`${dest}/index.json`)).toBe(true);
    if (readFileSync(`${dest}/index.json`, "utf8") === index)
      expect(ran(await imported(`type=local,src=${dest}`))).toEqual([]);
    await exported(`type=local,dest=${dest},mode=max,reset=true`);
    expect(ran(await imported(`type=local,src=${dest}`))).toEqual([]);
  });

  test.each([
    ["type=loca,dest=x", /unknown type "loca"[\s\S]*types: registry, local/],
    ["type=local,dest=x,mod=max", /unknown option "mod"[\s\S]*did you mean mode=/],
    ["type=local,dest=x,compression=lzma", /type=local: compression="lzma" is not known/],
    ["type=registry", /ref= is missing/],
  ])("%s is refused before anything is built", async (spec, message) => {
    const finished = await (await machine())("--cache-to", spec);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toMatch(message);
    expect(finished.stderr).not.toContain("RUN echo tool");
  });

  test.each(["local", "s3"])("%s: cache mounts go along when they are asked for", async (kind) => {
    const { to, from } = places()[kind]!;
    const folder = world.context(`mounts-${kind}`, {
      Dockerfile: "FROM busybox\nRUN --mount=type=cache,target=/c,id=go echo warm >> /c/log\n",
    });
    const second = "FROM busybox\nRUN --mount=type=cache,target=/c,id=go cat /c/log > /log\n";
    const one = { TSBUILD_ROOT: world.path(`mounts-${kind}-1`) };
    const two = { TSBUILD_ROOT: world.path(`mounts-${kind}-2`) };
    for (const env of [one, two]) await world.ok(["import", base, "busybox"], { env });
    await world.ok(["build", "--cache-to", `${to},mode=max,include=mounts:go`, folder], { env: one });
    writeFileSync(`${folder}/Dockerfile`, second);
    const plain = await world.tsbuild(["build", "--cache-from", from, folder], { env: two });
    expect(plain.code).not.toBe(0);
    await world.ok(["cache", "mounts", "rm", "go"], { env: two });
    await world.ok(["build", "-t", "app", "--cache-from", `${from},include=mounts`, folder], { env: two });
    expect((await world.ok(["run", "app", "cat", "/log"], { env: two })).stdout).toBe("warm\n");
  });

  test("layers are fetched only when they are needed", async () => {
    const dest = world.path("lazy");
    await exported(`type=local,dest=${dest},mode=max`);
    const finished = await (await machine())("--cache-from", `type=local,src=${dest}`, "--target", "tools");
    expect(finished.code).toBe(0);
    const fetched = finished.stderr.match(/sha256:[0-9a-f]{64} .*done/g) ?? [];
    expect(fetched.length).toBe(1);
  });
});
