import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { Podman } from "./podman.ts";
import { type RegistryServer, startRegistryServer } from "./registry-server.ts";

const reason = missing("busybox", "tar", "podman", "skopeo", "docker-registry");
if (reason !== undefined) console.log(`skipped: attestations and indexes in a registry: ${reason}`);

interface Document {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
  readonly layers?: readonly {
    readonly digest: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

describe.skipIf(reason !== undefined)("attestations and indexes in a registry", () => {
  const world = new World();
  let server: RegistryServer;
  let folder = "";
  const both = ["--platform=linux/amd64,linux/arm64"];
  beforeAll(async () => {
    server = await startRegistryServer(world);
    await importBusybox(world);
    folder = world.context("app", {
      Dockerfile: `FROM --platform=$BUILDPLATFORM busybox
ARG TARGETARCH TOKEN
RUN --mount=type=secret,id=pw,required echo $TARGETARCH > /arch
CMD cat /arch
`,
      pw: "never-to-be-seen",
    });
  }, 300_000);
  afterAll(async () => {
    await server?.close();
    world.close();
  });

  async function raw(name: string): Promise<Document> {
    const { stdout } = await runOk("skopeo", ["inspect", "--tls-verify=false", "--raw", `docker://${name}`]);
    return JSON.parse(stdout) as Document;
  }

  function build(name: string, ...flags: readonly string[]): Promise<string> {
    const secret = `--secret=id=pw,src=${folder}/pw`;
    return world.build(folder, ...both, secret, "--build-arg=TOKEN=shown-in-max", "-t", name, ...flags);
  }

  test("provenance goes with every platform's image, and no tool minds it", async () => {
    const name = `${server.host}/multi:1`;
    const meta = world.path("meta.json");
    await build(name, "--provenance=mode=max", "--push", `--metadata-file=${meta}`);
    const index = await raw(name);
    const images = index.manifests.filter(({ platform }) => platform.architecture !== "unknown");
    const claims = index.manifests.filter(({ platform }) => platform.architecture === "unknown");
    expect(images.map(({ platform }) => platform.architecture)).toEqual(["amd64", "arm64"]);
    expect(claims.map(({ annotations }) => annotations?.["vnd.docker.reference.digest"])).toEqual(
      images.map(({ digest }) => digest),
    );
    const layout = world.path("copied");
    await runOk("skopeo", ["copy", "--all", "--src-tls-verify=false", `docker://${name}`, `dir:${layout}`]);
    for (const claim of claims) {
      const { layers = [] } = await raw(`${name.replace(/:1$/, "")}@${claim.digest}`);
      const [layer] = layers;
      expect(layer?.annotations).toEqual({ "in-toto.io/predicate-type": "https://slsa.dev/provenance/v1" });
      const text = readFileSync(`${layout}/${layer?.digest.slice("sha256:".length)}`, "utf8");
      const { predicate } = JSON.parse(text);
      const { request } = predicate.buildDefinition.externalParameters;
      expect(request.args["build-arg:TOKEN"]).toBe("shown-in-max");
      expect(request.secrets).toEqual([{ id: "pw" }]);
      expect(text).not.toContain("never-to-be-seen");
    }
    const podman = new Podman(world);
    await podman.ok("pull", "--tls-verify=false", name);
    expect(await podman.run(name)).toBe("amd64\n");
  }, 300_000);

  test("a stored index is pushed with its annotations and attestations", async () => {
    const name = `${server.host}/later:1`;
    await build(name, "--provenance", "--annotation=index:a=b", "--annotation=manifest[linux/arm64]:c=d");
    await world.ok(["push", name]);
    const index = await raw(name);
    expect(index.annotations).toEqual({ a: "b" });
    expect(index.manifests).toHaveLength(4);
    const [, arm, , claim] = index.manifests;
    expect(claim?.annotations?.["vnd.docker.reference.digest"]).toBe(arm?.digest);
    expect((await raw(`${name.replace(/:1$/, "")}@${arm?.digest}`)).annotations).toEqual({ c: "d" });
  }, 300_000);

  test("referrers leave an image the manifest that it is without them", async () => {
    const [name, plain] = [`${server.host}/referred:1`, `${server.host}/plain:1`];
    await build(name, "-o", `type=registry,attest-as=referrers`, "--provenance");
    await build(plain, "--push");
    const both = await raw(plain);
    expect((await raw(name)).manifests.map(({ digest }) => digest)).toEqual(
      both.manifests.map(({ digest }) => digest),
    );
    const tag = `sha256-${both.manifests[1]?.digest.slice("sha256:".length)}`;
    expect((await raw(`${server.host}/referred:${tag}`)).manifests).toHaveLength(1);
  }, 300_000);
});
