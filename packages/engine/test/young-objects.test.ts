import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const PROGRAM = `
  import { getHeapSpaceStatistics } from "node:v8";
  import { runInNewContext, Script } from "node:vm";
  import { collectYoung } from "${new URL("../src/young-objects.ts", import.meta.url).href}";
  const used = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_used_size;
  const source = "function twice(x) { return 2 * x; } twice(21)";
  const cachedData = new Script(source).createCachedData();
  let last;
  while (used() < 5 * 1024 * 1024) for (let n = 0; n < 1000; n++) last = { n, last: [n] };
  const before = used();
  collectYoung();
  const after = used();
  const isExposed = runInNewContext("typeof gc") !== "undefined";
  const isRefused = new Script(source, { cachedData }).cachedDataRejected;
  console.log(JSON.stringify({ isCollected: after < before / 2, isExposed, isRefused }));`;

test("young objects are collected where there are many, and compiled code is taken as before", () => {
  // As large as the program's, so that V8 does not collect before.
  const flags = [
    "--min-semi-space-size=10",
    "--max-semi-space-size=10",
    "--disable-warning=ExperimentalWarning",
  ];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", PROGRAM], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ isCollected: true, isExposed: false, isRefused: false });
});
