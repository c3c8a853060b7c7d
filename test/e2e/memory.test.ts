import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RegistryServer, startRegistryServer } from "../interop/registry-server.ts";
import { missing, runOk, World } from "./world.ts";

const cli = join(import.meta.dirname, "../../packages/cli");
const reason = existsSync(join(cli, "dist/tsbuild.js"))
  ? missing("docker-registry", "skopeo")
  : "needs the bundle (pnpm run build): sources take more to start";
if (reason !== undefined) console.log(`skipped: peaks of memory: ${reason}`);

const MB = 1_000_000;
/** Whatever the size. */
const BOUND_MB = 150;
/** Less than what is added to the image; more than what two runs of the same differ by. */
const GROWTH_MB = 40;
const SMALL = 40 * MB;
/** More than the bound. */
const LARGE = 4 * SMALL;
/** Nothing that zstd finds is within its window. */
const NOISE = randomBytes(5 * MB);

/** Has a program of Node write its peak, that of all its threads, to $PEAK_FILE in kilobytes. */
const TELL_PEAK = `
  if (require("node:worker_threads").isMainThread)
    process.on("exit", () =>
      require("node:fs").writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));
`;

describe.skipIf(reason !== undefined)("peak memory does not depend on the size of an image", () => {
  const world = new World();
  let server: RegistryServer;
  beforeAll(async () => {
    server = await startRegistryServer(world);
    writeFileSync(world.path("tell-peak.cjs"), TELL_PEAK);
  }, 60_000);
  afterAll(async () => {
    await server?.close();
    world.close();
  });

  /** Runs what people run; returns its peak in megabytes. */
  async function peakOf(root: string, ...args: readonly string[]): Promise<number> {
    const file = world.path("peak");
    rmSync(file, { force: true });
    const hook = `--require=${world.path("tell-peak.cjs")}`;
    const env = { ...world.env, TSBUILD_ROOT: world.path(root), NODE_OPTIONS: hook, PEAK_FILE: file };
    await runOk(join(cli, "bin/tsbuild"), args, { env });
    return (Number(readFileSync(file, "utf8")) * 1024) / MB;
  }

  /** Peaks of everything that an image of this size passes through. */
  async function peaks(name: string, sizeBytes: number): Promise<Record<string, number>> {
    const folder = world.path(name);
    mkdirSync(folder);
    writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY large /\n");
    for (let at = 0; at < sizeBytes; at += NOISE.length) appendFileSync(join(folder, "large"), NOISE);
    const image = `${server.host}/${name}:1`;
    const archive = world.path(`${name}.tar`);
    const output = (options: string): string => `type=oci,dest=${archive},name=${image},${options}`;
    const build = (options: string) => peakOf(`${name}-built`, "build", "-q", "-o", output(options), folder);
    const found = {
      "export zstd": await build("compression=zstd"),
      "export plain": await build("compression=uncompressed"),
      // Not compressed, but gzip: a blob as large as the layer, for what follows.
      "export gzip": await build("compression-level=0"),
      load: await peakOf(`${name}-loaded`, "load", "-q", "-i", archive),
      push: await peakOf(`${name}-loaded`, "push", image),
      pull: await peakOf(`${name}-pulled`, "pull", image),
    };
    for (const done of [archive, world.path(`${name}-built`), world.path(`${name}-loaded`)])
      rmSync(done, { recursive: true });
    return found;
  }

  test("of export, load, push and pull", async () => {
    const small = await peaks("small", SMALL);
    const large = await peaks("large", LARGE);
    const tooMuch = Object.entries(large).filter(
      ([step, peak]) => peak > BOUND_MB || peak - (small[step] ?? 0) > GROWTH_MB,
    );
    expect(tooMuch, JSON.stringify({ small, large })).toEqual([]);
    // It is the image that went through, and not its name.
    expect(Object.values(small).every((peak) => peak > 30)).toBe(true);
  }, 300_000);
});
