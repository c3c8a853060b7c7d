import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { nativeFs } from "@tsbuild/native-fs";
import { fsck, openStore } from "@tsbuild/store";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mountsOf, runningCommands } from "../e2e/processes.ts";
import { busyboxTar, missing, runOk, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: killed builds: ${reason}`);

const ROUNDS = 25;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Control groups that steps were given. */
function stepGroups(): string[] {
  const folder = "/sys/fs/cgroup/tsbuild";
  return existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [entry.name] : [],
      )
    : [];
}

/** Numbers that look random and are the same in each run (a linear congruential generator, Knuth's constants). */
function* random(): Generator<number, never> {
  for (let state = 42n; ; ) {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
    yield Number(state >> 32n) / 2 ** 32;
  }
}

/** A killed build's steps end with it; the kernel takes a moment. */
async function expectNothingRuns(marker: string): Promise<void> {
  for (let wait = 0; wait < 20 && runningCommands(marker).length > 0; wait++) await sleep(50);
  expect(runningCommands(marker)).toEqual([]);
}

describe.skipIf(reason !== undefined)("builds that are killed", () => {
  const world = new World();
  let registry: TestRegistry;
  let layer: Buffer;

  beforeAll(async () => {
    registry = await startRegistry();
    layer = await readFile(await busyboxTar(world));
  });
  afterAll(async () => {
    await registry?.close();
    world.close();
  });

  /** An image that nobody has pulled yet. */
  function publish(tag: string): string {
    const blob = registry.blob(layer);
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === "x64" ? "amd64" : process.arch,
        os: "linux",
        config: { Labels: { tag } },
        rootfs: { type: "layers", diff_ids: [blob] },
      }),
    );
    const document = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, digest: registry.blob(config), size: config.length },
      layers: [{ mediaType: LAYER, digest: blob, size: layer.length }],
    };
    registry.manifest("base", tag, document, MANIFEST);
    return `${registry.host}/base:${tag}`;
  }

  test(`${ROUNDS} times: the next build just works`, async () => {
    const marker = `killed-${process.pid}-${Date.now()}`;
    const moments = random();
    const groupsBefore = stepGroups();
    let killed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const folder = world.context("ctx", {
        Dockerfile: [
          `FROM --platform=linux/amd64 ${publish(`v${round}`)}`,
          "COPY files /files/",
          `RUN : ${marker}; echo ${round} > /n; mkdir /d && for i in 1 2 3 4 5 6 7 8 9; do echo $i > /d/$i; done; sleep 0.1`,
          "RUN rm -r /d && mv /files /moved && chmod 700 /etc",
          "COPY --link files/f1 /m",
        ].join("\n"),
        "files/f1": `${round}`,
        "files/f2": Buffer.alloc(300_000, `${round}`),
      });
      const out = world.path(`out-${round}`);
      const flags = ["build", "--progress=plain", "-t", "killed", "-o", `type=oci,dest=${out}.tar`, folder];
      const killAfterMs = 40 + Math.floor((moments.next().value as number) * 700);
      const first = await world.tsbuild(flags, { killAfterMs });
      if (first.code === 137) killed++;
      expect([0, 137], first.stderr).toContain(first.code);
      await expectNothingRuns(marker);
      // What is there under its name is whole.
      if (existsSync(`${out}.tar`)) await runOk("tar", ["-tf", `${out}.tar`]);
      const next = await world.tsbuild(flags);
      expect(next.code, `killed after ${killAfterMs} ms\n${next.stderr}`).toBe(0);
      const store = await openStore({ root: world.root, native: nativeFs });
      try {
        expect(await fsck(store), `killed after ${killAfterMs} ms`).toEqual([]);
      } finally {
        await store.close();
      }
    }
    expect(killed).toBeGreaterThan(ROUNDS / 2);
    expect(await world.inside("killed", "cat", "/n", "/m", "/moved/f1")).toBe(
      `${ROUNDS - 1}\n${ROUNDS - 1}${ROUNDS - 1}`,
    );
    expect(mountsOf(world.folder)).toEqual([]);
    // A killed step's own group goes with its last process or with the next build.
    await sleep(100);
    expect(stepGroups().filter((name) => !groupsBefore.includes(name))).toEqual([]);
  });
});
