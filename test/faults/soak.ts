/**
 * `node test/faults/soak.ts [--kills N] [--seed N]`: commands of all kinds killed at random moments. Needs root and busybox, and the bundle
 * (`pnpm build`): the sources start so slowly that every kill would fall into their first moments.
 */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { startRegistry } from "@tsbuild/testkit";

// Read when world.ts is loaded, hence before it.
process.env["TSBUILD_TEST_PROGRAM"] ??= "packages/cli/dist/tsbuild.js";
const { busyboxTar, missing, World } = await import("../e2e/world.ts");
const { runSoak } = await import("./soak-rounds.ts");

const reason = missing("busybox", "tar");
if (reason !== undefined) throw new Error(`a soak ${reason}`);
const { values } = parseArgs({
  options: { kills: { type: "string", default: "500" }, seed: { type: "string", default: "1" } },
});
const world = new World();
world.env["TMPDIR"] = world.path("tmpdir");
mkdirSync(world.env["TMPDIR"]);
const registry = await startRegistry();
const started = Date.now();
try {
  const layer = await readFile(await busyboxTar(world));
  const report = await runSoak(
    { world, registry, layer },
    { kills: Number(values.kills), seed: Number(values.seed), onRound: (text) => console.log(text) },
  );
  console.log(
    JSON.stringify({ ...report, seed: Number(values.seed), seconds: (Date.now() - started) / 1000 }),
  );
  world.close();
} catch (error) {
  // The folder stays, to be looked at.
  console.error(`${world.folder}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await registry.close();
}
