import { mkdirSync } from "node:fs";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { type FillWorld, filledCommands, mountSmall, runFilled } from "./fill-steps.ts";

const reason = missing("busybox", "tar", "mount", "umount", "fallocate");
if (reason !== undefined) console.log(`skipped: disks that fill up: ${reason}`);

/** Everything that writes, with one place each where the disk is full; `node test/faults/fill.ts` tries all of them. */
describe.skipIf(reason !== undefined)("commands of all kinds on a disk that is full", () => {
  const world = new World();
  const fill: { registry?: TestRegistry } & Omit<FillWorld, "registry"> = { world, out: world.path("small") };

  beforeAll(async () => {
    world.env["TMPDIR"] = world.path("tmpdir");
    mkdirSync(world.env["TMPDIR"]);
    fill.registry = await startRegistry();
    await mountSmall(world.root, 48);
    await mountSmall(fill.out, 8);
    await importBusybox(world);
  });
  afterAll(async () => {
    await fill.registry?.close();
    for (const folder of [world.root, fill.out]) await runOk("umount", ["-l", folder]);
    world.close();
  });

  test("each says so, leaves the store sound, and works once there is room", async () => {
    const ready = fill as FillWorld;
    const names = Object.keys(filledCommands(ready));
    let failed = 0;
    for (const [number, name] of names.entries()) {
      const freeBytes = name.startsWith("out") ? 4096 : 4096 * ((number * 5) % 12);
      if (!(await runFilled(ready, name, { freeBytes, thorough: number === names.length - 1 }))) failed++;
    }
    // Those that write next to nothing may have had room.
    expect(failed).toBeGreaterThan(names.length / 2);
  }, 300_000);
});
