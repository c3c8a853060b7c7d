import { mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, runOk, World } from "../e2e/world.ts";
import { CASES } from "./docker-build-cases.ts";
import { type DockerDaemon, startDockerDaemon } from "./docker-daemon.ts";
import { listing } from "./listing.ts";

/**
 * The same contexts built by dockerd's own builder and by tsbuild: what comes out has to be the same, apart from what
 * BuildKit does in another way on purpose: WORKDIR belongs to the USER, and is / where nobody set it; ARGs go on into stages FROM theirs.
 */
const reason = missing("busybox", "tar", "dockerd");
if (reason !== undefined) console.log(`skipped: comparison with Docker's builder: ${reason}`);

describe.skipIf(reason !== undefined)("built by Docker and by tsbuild alike", () => {
  const world = new World();
  let daemon: DockerDaemon | undefined;

  beforeAll(async () => {
    const tar = await busyboxTar(world);
    await world.ok(["import", tar, "base"]);
    try {
      daemon = await startDockerDaemon(world);
      await daemon.import(tar, "base");
    } catch (error) {
      console.log(`skipped: comparison with Docker's builder: ${error}`);
    }
  });
  afterAll(async () => {
    await daemon?.close();
    world.close();
  });

  test.for(Object.entries(CASES))("%s", async ([name, spec], context) => {
    if (daemon === undefined) return context.skip("no daemon");
    const slug = name.replaceAll(" ", "-").toLowerCase();
    const hasBase = spec.dockerfile.find((line) => !/^(#|ARG )/.test(line))?.startsWith("FROM ");
    const lines = hasBase === true ? spec.dockerfile : ["FROM base", ...spec.dockerfile];
    const folder = world.context(slug, { Dockerfile: lines.join("\n"), ...spec.files });
    spec.prepare?.(folder);
    const args = Object.entries(spec.buildArgs ?? {});
    await daemon.build(folder, slug, { args: spec.buildArgs ?? {}, target: spec.target });
    const flags = [
      ...args.flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
      ...(spec.target === undefined ? [] : ["--target", spec.target]),
    ];
    const archive = world.path(`${slug}.tar`);
    await world.build(folder, ...flags, "-o", `type=docker,dest=${archive},name=tsbuild/${slug}`);
    await daemon.load(archive);
    const images = [slug, `tsbuild/${slug}`];
    const [theirs, ours] = await Promise.all(images.map((image) => look(image)));
    expect(ours).toEqual(theirs);
  });

  /** Config and files of an image in the daemon. */
  async function look(image: string): Promise<unknown> {
    const config = (await daemon?.inspect(image))?.["Config"] as Record<string, unknown>;
    const rootfs = world.path(`rootfs-${image.replace("/", "-")}`);
    mkdirSync(rootfs);
    await daemon?.export(image, rootfs);
    return {
      config: comparable(config),
      files: await listing(rootfs, "no time"),
      contents: await contents(rootfs),
    };
  }
});

/** Digests of the files below a folder, sorted by path. */
async function contents(folder: string): Promise<string[]> {
  const { stdout } = await runOk("find", [".", "-type", "f", "-exec", "sha256sum", "{}", "+"], {
    cwd: folder,
  });
  return stdout.split("\n").sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
}

/** Fields that an image's author sets; unset ones and the working folder / left out. */
function comparable(config: Record<string, unknown>): Record<string, unknown> {
  const fields =
    "User ExposedPorts Env Cmd Healthcheck Volumes WorkingDir Entrypoint OnBuild Labels StopSignal Shell";
  const entries = fields.split(" ").map((field) => [field, config[field]] as const);
  const isSet = (value: unknown): boolean => value !== null && value !== undefined && value !== "";
  return Object.fromEntries(
    entries.filter(([field, value]) => isSet(value) && !(field === "WorkingDir" && value === "/")),
  );
}
