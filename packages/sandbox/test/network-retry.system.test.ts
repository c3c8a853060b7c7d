/** A provider that does not start at once: a step must not end up in the host's network for that. */
import { accessSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createNetworkPool, type NetworkPool } from "../src/index.ts";

const binary = fileURLToPath(new URL("../../../native/build/tsbuild-sandbox", import.meta.url));

function canConnect(): boolean {
  try {
    accessSync("/dev/net/tun");
  } catch {
    console.log("skipped: retries of network providers: /dev/net/tun is missing");
    return false;
  }
  if (process.getuid?.() !== 0) console.log("skipped: retries of network providers: needs root");
  return process.getuid?.() === 0;
}

describe.skipIf(!canConnect())("a provider that fails to start", () => {
  let folder: string;
  let pool: NetworkPool;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-retry-"));
  });
  afterEach(async () => {
    await pool.close();
    rmSync(folder, { recursive: true });
  });

  /** A slirp4netns that notes each start and fails the first `failures` times. */
  const poolFailing = (failures: number): NetworkPool => {
    const starts = join(folder, "starts");
    writeFileSync(starts, "");
    const script = [
      "#!/bin/sh",
      `echo start >> ${starts}`,
      `if [ $(/usr/bin/wc -l < ${starts}) -le ${failures} ]; then echo "no room" >&2; exit 1; fi`,
      "printf 1",
      "exec /bin/sleep 60",
    ];
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "slirp4netns"), `${script.join("\n")}\n`, { mode: 0o755 });
    let made = 0;
    const temporaryFolder = (): string => join(folder, `network-${made++}`);
    return createNetworkPool({
      binary,
      choice: "auto",
      path: join(folder, "bin"),
      temporaryFolder,
      proofFile: join(folder, "proof"),
    });
  };
  const startCount = (): number => readFileSync(join(folder, "starts"), "utf8").split("\n").length - 1;

  test("is started once more", async () => {
    pool = poolFailing(1);
    expect(await pool.acquire({ onDemand: false })).toMatchObject({ provider: "slirp4netns" });
    expect(startCount()).toBe(2);
  });

  test("is given up after the second failure, with what it said, and not tried by later steps", async () => {
    pool = poolFailing(99);
    const unavailable = expect.stringMatching(/^two starts failed: slirp4netns ended at once: no room$/);
    expect(await pool.acquire({ onDemand: false })).toEqual({ unavailable });
    expect(await pool.acquire({ onDemand: false })).toEqual({ unavailable });
    expect(startCount()).toBe(2);
  });

  test("fails for many steps at once: no step starts it a second time after a second start has failed", async () => {
    pool = poolFailing(99);
    const all = await Promise.all([
      pool.acquire({ onDemand: false }),
      pool.acquire({ onDemand: false }),
      pool.acquire({ onDemand: false }),
    ]);
    expect(all.every((network) => "unavailable" in network)).toBe(true);
    expect(startCount()).toBe(4);
  });
});
