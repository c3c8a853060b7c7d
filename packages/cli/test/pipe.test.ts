import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "../src/main.ts");

test("what a full disk does not take is told, and is no success", () => {
  const run = (redirection: string) =>
    spawnSync("/bin/sh", ["-c", `'${process.execPath}' '${main}' help build ${redirection}`], {
      encoding: "utf8",
    });
  const { status, stderr } = run("> /dev/full");
  expect([status, stderr]).toEqual([
    1,
    "ERROR: standard output cannot be written: ENOSPC: no space left on device, write\n",
  ]);
  expect(run("2> /dev/full").status).toBe(0);
});

test("a slow reader of a pipe gets all of a long output", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-pipe-"));
  try {
    writeFileSync(join(folder, "Dockerfile"), `FROM scratch\nENV a=${"x".repeat(300_000)}\n`);
    const program = `'${process.execPath}' --disable-warning=ExperimentalWarning '${main}'`;
    const command = `${program} debug dump-ast --json Dockerfile | (sleep 0.5; cat)`;
    const out = execFileSync("/bin/sh", ["-c", command], { cwd: folder, maxBuffer: 1 << 24 });
    expect(JSON.parse(out.toString())).toHaveProperty("ast");
    expect(out.length).toBeGreaterThan(300_000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
