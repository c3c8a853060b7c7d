import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exitAtOnce, loadEngine } from "../src/engine-loader.ts";

const OWN = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=10"];

/** Whether a process with these flags and this environment will end without Node. */
function endsAtOnce(execArgv: readonly string[], env: Record<string, string> = {}): boolean {
  const node = (): void => undefined;
  const process = { execArgv, env, reallyExit: node };
  exitAtOnce(process as unknown as NodeJS.Process);
  return process.reallyExit !== node;
}

test("where an engine was used and Node has nothing left to write, its end is not waited for", async () => {
  expect(endsAtOnce(OWN)).toBe(false);
  const root = mkdtempSync(join(tmpdir(), "tsbuild-exit-"));
  try {
    await (await loadEngine({ root })).close();
  } finally {
    rmSync(root, { recursive: true });
  }
  expect(endsAtOnce(OWN)).toBe(true);
  expect(endsAtOnce([...OWN, "--cpu-prof"])).toBe(false);
  expect(endsAtOnce(OWN, { NODE_V8_COVERAGE: "x" })).toBe(false);
  expect(endsAtOnce(OWN, { NODE_OPTIONS: "--cpu-prof" })).toBe(false);
});
