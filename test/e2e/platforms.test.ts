import { chmodSync, readFileSync } from "node:fs";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram, importBusybox, missing, runOk, World } from "./world.ts";

const reason = missing("busybox", "tar", "skopeo");
if (reason !== undefined) console.log(`skipped: several platforms in one build: ${reason}`);

const noEmulator = findProgram("qemu-aarch64-static") === undefined;
if (noEmulator)
  console.log("skipped: platforms from a shared cache: needs qemu-aarch64-static (apt-get install)");

interface Document {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A stage that runs here once, and an image per platform with what is its own. */
const DOCKERFILE = `FROM --platform=$BUILDPLATFORM busybox AS make
RUN head -c 8 /dev/urandom | md5sum > /same
FROM --platform=$BUILDPLATFORM busybox AS cross
ARG TARGETARCH
RUN echo $TARGETARCH > /arch
FROM scratch
COPY --from=make /same /
COPY --from=cross /arch /
`;

describe.skipIf(reason !== undefined)("--platform with several", () => {
  let world: World;
  let folder = "";
  const both = ["--platform", "linux/arm64,linux/amd64"];
  beforeAll(async () => {
    world = new World();
    await importBusybox(world);
    folder = world.context("multi", { Dockerfile: DOCKERFILE });
  });
  afterAll(() => world.close());

  test("is one solve: what they share runs once, and every output has them all", async () => {
    const archive = world.path("multi.tar");
    const files = world.path("files");
    const meta = world.path("meta.json");
    const outputs = ["-o", `type=oci,dest=${archive}`, "-o", files, "--metadata-file", meta];
    const built = await world.build(folder, ...both, "-t", "multi:1", ...outputs, "--progress=plain");
    // A step's header is said again when it goes on after another's output.
    expect(new Set(built.match(/^#\d+ .*RUN head/gm))).toHaveProperty("size", 1);
    expect(built).toMatch(/\[linux\/amd64->arm64 cross 2\/2\] RUN echo/);
    const raw = await runOk("skopeo", ["inspect", "--raw", `oci-archive:${archive}`]);
    const index = JSON.parse(raw.stdout) as Document;
    expect(index.manifests.map(({ platform }) => platform.architecture)).toEqual(["arm64", "amd64"]);
    const of = (platform: string, name: string) => readFileSync(`${files}/linux_${platform}/${name}`, "utf8");
    expect([of("arm64", "arch"), of("amd64", "arch")]).toEqual(["arm64\n", "amd64\n"]);
    expect(of("arm64", "same")).toBe(of("amd64", "same"));
    const told = JSON.parse(readFileSync(meta, "utf8")) as Record<string, unknown>;
    expect(told["containerimage.descriptor"]).toMatchObject({ digest: told["containerimage.digest"] });
    expect(told).not.toHaveProperty("containerimage.config.digest");
    expect(told["tsbuild.images"]).toMatchObject([{ platform: "linux/arm64" }, { platform: "linux/amd64" }]);
    expect(told["tsbuild.steps"]).toContainEqual(
      expect.objectContaining({
        status: "ok",
        reason: expect.any(String),
        name: expect.stringMatching(/RUN head/),
      }),
    );
    expect(Object.keys(told).filter((key) => key.startsWith("buildx.build.provenance"))).toEqual([]);
    const again = await world.build(folder, ...both, "-t", "multi:1", "--progress=plain");
    expect(again).toMatch(/: \d+ cached\n/);
  });

  test("a name that is an index stands for the wanted platform's image in FROM", async () => {
    const on = world.context("on-multi", { Dockerfile: "FROM multi:1\nLABEL on=it\n" });
    const out = world.path("on");
    for (const platform of ["arm64", "amd64"]) {
      await world.build(on, "--platform", `linux/${platform}`, "-o", out);
      expect(readFileSync(`${out}/arch`, "utf8")).toBe(`${platform}\n`);
    }
    const quiet = (await world.ok(["build", "-q", ...both, "-t", "multi:1", folder])).stdout.trim();
    expect((await world.ok(["inspect", "-f", "{{.Architecture}}", quiet])).stdout).toBe("amd64\n");
    const wrong = await world.tsbuild(["build", "--offline", "--platform", "linux/s390x", on]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("linux/arm64, linux/amd64 only")]);
  });

  describe("as an index", () => {
    const [puller, loader] = [new World(), new World()];
    const digestOf = (printed: string) => printed.trim().split("@")[1];
    let registry: TestRegistry;
    let name = "";
    let pushed: string | undefined;
    beforeAll(async () => {
      registry = await startRegistry();
      name = `${registry.host}/multi:1`;
      const flags = [...both, "--provenance=true", "--annotation=index:made=here", "-t", name];
      await world.ok(["build", "-q", ...flags, folder]);
      pushed = digestOf((await world.ok(["push", name])).stdout);
    });
    afterAll(async () => {
      for (const one of [puller, loader]) one.close();
      await registry.close();
    });

    test("is pulled whole, and pushed as it came", async () => {
      expect(digestOf((await puller.ok(["pull", "--all-platforms", name])).stdout)).toBe(pushed);
      const copy = `${registry.host}/copy:1`;
      await puller.ok(["tag", name, copy]);
      expect(digestOf((await puller.ok(["push", copy])).stdout)).toBe(pushed);
    });

    test.each(["pulled", "built"])("is saved, loaded and pushed whole when it was %s", async (how) => {
      const archive = world.path(`${how}.tar`);
      await (how === "built" ? world : puller).ok(["save", "-o", archive, name]);
      expect((await loader.ok(["load", "-i", archive])).stdout).toBe(`Loaded image: ${name}\n`);
      expect(digestOf((await loader.ok(["push", name])).stdout)).toBe(pushed);
    });

    test.skipIf(noEmulator)(
      "comes from a shared cache into an empty state folder, for all platforms",
      async () => {
        const Dockerfile = `FROM --platform=$BUILDPLATFORM scratch AS cross
COPY busybox /bin/busybox
ARG TARGETARCH
RUN ["/bin/busybox", "sh", "-c", "echo $TARGETARCH > /arch"]
FROM scratch
COPY --from=cross /arch /
`;
        const busybox = readFileSync(findProgram("busybox") ?? "");
        const folder = world.context("shared", { Dockerfile, busybox });
        chmodSync(`${folder}/busybox`, 0o755);
        const cache = world.path("cache");
        // `scratch` is of the target platform, whatever is asked for: steps on it are another machine's, which runtimes leave to the kernel.
        const native = "--oci-runtime=";
        await world.ok(["build", ...both, native, "--cache-to", `type=local,dest=${cache},mode=max`, folder]);
        const out = world.path("cached");
        const from = ["--cache-from", `type=local,src=${cache}`, "-o", out, "--progress=plain", native];
        expect(await loader.build(folder, ...both, ...from)).toMatch(/: \d+ cached\n/);
        const of = (platform: string) => readFileSync(`${out}/linux_${platform}/arch`, "utf8");
        expect([of("arm64"), of("amd64")]).toEqual(["arm64\n", "amd64\n"]);
      },
    );

    test("is taken for some platforms alone", async () => {
      const architecture = async (of: World) =>
        (await of.ok(["inspect", "-f", "{{.Architecture}}", name])).stdout;
      await puller.ok(["pull", "--platform", "linux/arm64", name]);
      const archive = world.path("alone.tar");
      await world.ok(["save", "--platform", "linux/arm64", "-o", archive, name]);
      await loader.ok(["load", "-i", archive]);
      expect([await architecture(puller), await architecture(loader)]).toEqual(["arm64\n", "arm64\n"]);
      const wrong = await puller.tsbuild(["pull", "--platform", "linux/s390x,linux/arm64", name]);
      expect(wrong.stderr).toMatch(/no image for linux\/s390x\s.*linux\/arm64, linux\/amd64/);
    });
  });

  test("the metadata file has provenance and warnings when they are asked for", async () => {
    const meta = world.path("asked.json");
    const env = { BUILDX_METADATA_PROVENANCE: "max", BUILDX_METADATA_WARNINGS: "1" };
    const lower = world.context("lower", { Dockerfile: "FROM scratch as x\nCOPY Dockerfile /\n" });
    await world.ok(["build", ...both, "--metadata-file", meta, lower], { env });
    const told = JSON.parse(readFileSync(meta, "utf8")) as Record<string, unknown>;
    expect(told["buildx.build.warnings"]).toMatchObject([{ rule: "FromAsCasing" }]);
    for (const platform of ["linux/arm64", "linux/amd64"]) {
      expect(told[`buildx.build.provenance/${platform}`]).toMatchObject({
        buildDefinition: { internalParameters: { buildConfig: { llbDefinition: expect.any(Array) } } },
      });
    }
    const wrong = { BUILDX_METADATA_PROVENANCE: "most" };
    expect((await world.tsbuild(["build", "--metadata-file", meta, lower], { env: wrong })).code).toBe(2);
  });

  test("a plan and a failed step know all platforms", async () => {
    const failing = world.context("failing", {
      Dockerfile: "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\nRUN test $TARGETARCH = arm64\n",
    });
    const failed = await world.tsbuild(["build", "--progress=plain", ...both, failing]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/Dockerfile:3/);
    const plan = await world.ok(["build", "--call=plan", ...both, failing]);
    expect(plan.stdout.match(/RUN test/g)).toHaveLength(2);
  });

  test("annotations have scopes; docker's archive takes one platform only", async () => {
    const archive = world.path("annotated.tar");
    const scoped = ["--annotation", "index:a=b", "--annotation", "manifest-descriptor[linux/arm64]:c=d"];
    await world.build(folder, ...both, ...scoped, "-o", `type=oci,dest=${archive}`);
    const raw = await runOk("skopeo", ["inspect", "--raw", `oci-archive:${archive}`]);
    const index = JSON.parse(raw.stdout) as Document;
    expect([index.annotations, index.manifests.map(({ annotations }) => annotations)]).toEqual([
      { a: "b" },
      [{ c: "d" }, undefined],
    ]);
    const single = await world.tsbuild([
      "build",
      "--annotation",
      "index:a=b",
      "-o",
      `type=oci,dest=${archive}`,
      folder,
    ]);
    expect([single.code, single.stderr]).toEqual([2, expect.stringContaining("one platform alone has none")]);
    const docker = await world.tsbuild(["build", ...both, "-o", `type=docker,dest=${archive}`, folder]);
    expect([docker.code, docker.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining("one platform only"),
    ]);
  });
});
