import { readFile } from "node:fs/promises";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, World } from "../e2e/world.ts";
import { runSoak } from "./soak-rounds.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: the soak: ${reason}`);

describe.skipIf(reason !== undefined)("commands of all kinds that are killed", () => {
  const world = new World();
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(async () => {
    await registry?.close();
    world.close();
  });

  test("25 kills: the next build works, the store is sound, nothing is left behind", async () => {
    const layer = await readFile(await busyboxTar(world));
    const report = await runSoak({ world, registry, layer }, { kills: 25, seed: 7 });
    expect(report.kills).toBe(25);
  }, 300_000);
});
