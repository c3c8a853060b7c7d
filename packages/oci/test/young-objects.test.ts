import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Makes objects and tells how many MB its heap for young ones has at most: V8 makes it smaller again where it is slow. */
const CHURN = `
  const { parentPort } = require("node:worker_threads");
  const { getHeapSpaceStatistics } = require("node:v8");
  const size = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size;
  const keep = [];
  let most = 0;
  for (let i = 0; i < 3e6; i++) {
    keep[i % 200000] = { i, list: [i] };
    if (i % 20000 === 0) most = Math.max(most, size());
  }
  parentPort.postMessage(Math.round(most / 1e6));`;

const PROGRAM = `
  import { once } from "node:events";
  import { Worker } from "node:worker_threads";
  import { startWithOwnLimits } from ${JSON.stringify(join(import.meta.dirname, "../src/workers/young-objects.ts"))};
  const options = { eval: true, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 2 } };
  const start = () => new Worker(${JSON.stringify(CHURN)}, options);
  const sizeOf = async (worker) => (await once(worker, "message"))[0];
  const both = await Promise.all([startWithOwnLimits(start), startWithOwnLimits(start)].map(sizeOf));
  console.log(JSON.stringify([...both, await sizeOf(start())]));`;

function sizes(flags: readonly string[]): readonly number[] {
  const args = [...flags, "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", PROGRAM];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as number[];
}

test("a thread's own limit counts though the program has a larger one, which others still have afterwards", () => {
  const [first, second, plain] = sizes(["--min-semi-space-size=10", "--max-semi-space-size=10"]);
  expect([first, second]).toEqual([2, 2]);
  expect(plain).toBeGreaterThan(8);
});

test("without the program's flag nothing is changed", () => {
  expect(sizes([])).toEqual([2, 2, 2]);
});
