/**
 * `node test/faults/fill.ts [--only NAME]… [--from PAGES] [--step PAGES]`: commands of all kinds on disks that are full after every
 * 4 KiB that they might write. Needs root and busybox.
 */
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { startRegistry } from "@tsbuild/testkit";
import { importBusybox, missing, runOk, World } from "../e2e/world.ts";
import { filledCommands, mountSmall, runFilled } from "./fill-steps.ts";

const reason = missing("busybox", "tar", "mount", "umount", "fallocate");
if (reason !== undefined) throw new Error(`full disks: ${reason}`);
const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    from: { type: "string", default: "0" },
    step: { type: "string", default: "1" },
  },
});
const step = Number(values.step);

const PAGE = 4096;
/** A command is done with when it had room so often in a row. */
const ENOUGH = 3;

const world = new World();
world.env["TMPDIR"] = world.path("tmpdir");
mkdirSync(world.env["TMPDIR"]);
const registry = await startRegistry();
const out = world.path("small-out");
const fill = { world, registry, out };
try {
  await mountSmall(world.root, 48);
  await mountSmall(out, 8);
  await importBusybox(world);
  for (const name of values.only ?? Object.keys(filledCommands(fill))) {
    let failed = 0;
    let row = 0;
    let pages = Number(values.from);
    for (; row < ENOUGH; pages += step * (pages < 64 ? 1 : pages < 256 ? 4 : 16)) {
      if (await runFilled(fill, name, { freeBytes: pages * PAGE, thorough: true })) row++;
      else {
        row = 0;
        failed++;
      }
    }
    console.log(`${name}: ${failed} failures, clear each time; done with ${pages} pages`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await registry.close();
  for (const folder of [world.root, out]) await runOk("umount", ["-l", folder]);
  world.close();
}
